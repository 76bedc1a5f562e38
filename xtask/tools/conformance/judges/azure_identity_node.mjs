// @azure/identity for Node.
import { writeFileSync } from "node:fs";
import {
  AuthorizationCodeCredential,
  ClientCertificateCredential,
  ClientSecretCredential,
  DeviceCodeCredential,
  ManagedIdentityCredential,
  OnBehalfOfCredential,
  WorkloadIdentityCredential,
} from "@azure/identity";
import { authority, browser, check, key, said, scope, tell, userToken, works } from "./node.mjs";

const common = { authorityHost: said.authority, disableInstanceDiscovery: true };
const [tenant, client, secret] = [said.tenant_id, said.client_id, said.client_secret];

/** A token for the API, and a second request to the endpoint: for another audience nothing is in the cache. */
async function twice(credential) {
  await works((await credential.getToken(scope)).token);
  await credential.getToken("https://graph.microsoft.com/.default");
}

async function managedIdentity(environment) {
  Object.assign(process.env, environment);
  await twice(new ManagedIdentityCredential());
  for (const name of Object.keys(environment)) delete process.env[name];
}

await check("client secret", () => twice(new ClientSecretCredential(tenant, client, secret, common)));
const certificate = key("app.key") + key("app.crt");
await check("certificate", () => twice(new ClientCertificateCredential(tenant, client, { certificate }, common)));
await check("workload identity", async () => {
  const tokenFilePath = `${process.env.JUDGE_KEYS}/federated.jwt`;
  writeFileSync(tokenFilePath, process.env.JUDGE_FEDERATED);
  await twice(new WorkloadIdentityCredential({ tenantId: tenant, clientId: client, tokenFilePath, ...common }));
});
await check("device code", async () => {
  const userPromptCallback = (code) => void tell("deviceCodes", { userCode: code.userCode });
  await twice(new DeviceCodeCredential({ tenantId: tenant, clientId: client, userPromptCallback, ...common }));
});
await check("authorization code", async () => {
  const redirect = "http://localhost:5000";
  const query = new URLSearchParams({ client_id: client, response_type: "code", redirect_uri: redirect });
  const code = await browser(`${authority}/oauth2/v2.0/authorize?${query}&scope=${scope}%20openid%20offline_access`);
  await twice(new AuthorizationCodeCredential(tenant, client, secret, code, redirect, common));
});
await check("on behalf of", async () => {
  const userAssertionToken = await userToken();
  const options = { tenantId: tenant, clientId: client, clientSecret: secret, userAssertionToken, ...common };
  await twice(new OnBehalfOfCredential(options));
});
await check("managed identity, IMDS", () =>
  managedIdentity({ AZURE_POD_IDENTITY_AUTHORITY_HOST: said.imds_endpoint }));
await check("managed identity, App Service", () =>
  managedIdentity({ IDENTITY_ENDPOINT: said.identity_endpoint, IDENTITY_HEADER: said.identity_header }));
