"""The nine actions of mde-client 0.4.0, as it sends them: its package asks for Python 3.14.

Its payloads leave out what is not set, and dump the rest under the names of the metadata.
"""

from judge import BASE, CLIENT, SAID, SCOPE, SECRET, TENANT, WEB, check

FORM = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET, "scope": SCOPE}
TOKEN = WEB.post(f"{SAID['authority']}/{TENANT}/oauth2/v2.0/token", data=FORM).json()["access_token"]
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json"}
MACHINE = SAID["machine_ids"][0]
COMMENT = {"Comment": "Judge", "ExternalId": "INC-1", "RequestSource": "PublicApi", "Title": "Judge"}
LIVE_RESPONSE = [{"type": "GetFile", "params": [{"key": "Path", "value": "C:\\t.txt"}]}]


def act(segment, more):
    answer = WEB.post(f"{BASE}/api/machines/{MACHINE}/{segment}", json={**COMMENT, **more}, headers=HEADERS)
    assert answer.status_code in (200, 201), answer.text
    action = answer.json()
    assert (action["title"], action["externalId"], action["requestSource"]) == ("Judge", "INC-1", "PublicApi"), action
    read = WEB.get(f"{BASE}/api/machineactions/{action['id']}", headers=HEADERS).json()
    assert read["machineId"] == MACHINE, read


for segment, more in [
    ("isolate", {"IsolationType": "Full"}),
    ("unisolate", {}),
    ("restrictCodeExecution", {}),
    ("unrestrictCodeExecution", {}),
    ("runAntiVirusScan", {"ScanType": "Quick"}),
    ("collectInvestigationPackage", {}),
    ("StopAndQuarantineFile", {"Sha1": "87662bc3d60e4200ceaf7aae249d1c343f4b83c9"}),
    ("runliveresponse", {"Commands": LIVE_RESPONSE}),
    ("offboard", {}),
]:
    check(segment, lambda: act(segment, more))
actions = WEB.get(f"{BASE}/api/machines/{MACHINE}/machineActions", headers=HEADERS).json()["value"]
assert len(actions) == 9, actions
assert WEB.get(f"{BASE}/api/$metadata", headers=HEADERS).status_code == 200
