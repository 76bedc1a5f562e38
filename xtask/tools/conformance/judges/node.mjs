// What the Node judges share.
import { readFileSync } from "node:fs";

export const said = JSON.parse(readFileSync(process.env.JUDGE_STARTED));
export const base = said.base_url;
export const authority = `${said.authority}/${said.tenant_id}`;
export const scope = `${said.audience}/.default`;
export const key = (name) => readFileSync(`${process.env.JUDGE_KEYS}/${name}`, "utf8");
const place = Number(process.env.JUDGE_PLACE ?? "0");

export async function tell(path, order) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(`${base}/emulator/${path}`, { method: "POST", headers, body: JSON.stringify(order) });
  if (!answer.ok) throw new Error(await answer.text());
}

export const userToken = async () => (await (await fetch(`${base}/emulator/userToken`)).json()).token;

export async function works(token) {
  const answer = await fetch(`${base}/api/machines`, { headers: { Authorization: `Bearer ${token}` } });
  if (answer.status !== 200) throw new Error(await answer.text());
}

/** The code with which a browser is sent back, after somebody has signed in. */
export async function browser(url) {
  const answer = await fetch(url, { redirect: "manual" });
  if (answer.status !== 302) throw new Error(await answer.text());
  return new URL(answer.headers.get("location")).searchParams.get("code");
}

/** Runs a check when the clock shows the wanted fraction of a second. */
export async function check(name, run) {
  const wait = (((place * 1000 - Date.now()) % 1000) + 1000) % 1000;
  await new Promise((resolve) => setTimeout(resolve, wait));
  await run();
  console.log(`ok ${name}`);
}
