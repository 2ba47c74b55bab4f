"""The front door as its users meet it: `broadbill serve`, `broadbill call`, curl through the gateway,
and the gateway as a process of its own. Usage: front_door.py FOLDER_OF_PROGRAMS"""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

BIN = sys.argv[1]
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print(f"FAILED: {what}")


class Process:
    """A program that prints a line when it is up."""

    def __init__(self, args, pattern, env=None):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env={**os.environ, **(env or {})})
        seen = ""
        for line in self.process.stdout:
            seen += line
            found = re.search(pattern, seen)
            if found:
                self.found = found
                return
        self.log.seek(0)
        raise SystemExit(f"{args[0]} did not start:\n{seen}{self.log.read()}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.read()
        return self.process.wait(60)


class Front:
    def __init__(self, base, key):
        self.base, self.key = base, key

    def curl(self, method, path, body=None, key=None, headers=(), kind="application/json"):
        """Returns (status, content type, parsed JSON or text)."""
        command = ["curl", "-sS", "-o", "-", "-w", "\n%{http_code} %{content_type}", "-X", method,
                   self.base + path, "-H", f"Authorization: Bearer {self.key if key is None else key}"]
        for header in headers:
            command += ["-H", header]
        if body is not None:
            command += ["-H", f"Content-Type: {kind}", "--data-binary", "@-"]
        done = subprocess.run(command, input=body, capture_output=True, text=True, check=False)
        text, _, tail = done.stdout.rpartition("\n")
        status, _, answered = tail.partition(" ")
        try:
            return int(status), answered, json.loads(text)
        except json.JSONDecodeError:
            return int(status or 0), answered, text

    def problem(self, what, answer, status, reason, *words):
        """An answer must be problem+json that says what is wrong."""
        was, kind, body = answer
        print(f"  {what}: {was} {json.dumps(body)[:150]}")
        check(was == status, f"{what}: status {was}, not {status}")
        check(kind.startswith("application/problem+json"), f"{what}: content type {kind}")
        check(isinstance(body, dict) and body.get("reason") == reason, f"{what}: reason is not {reason}")
        check(isinstance(body, dict) and body.get("trace_id"), f"{what}: no trace id")
        for word in words:
            check(word in json.dumps(body), f"{what}: does not say {word}")


def call(data, *args):
    done = subprocess.run([f"{BIN}/broadbill", "call", "--data", data, *args], capture_output=True,
                          text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def check_call(data):
    status, out, _ = call(data)
    check(status == 0, "call without arguments lists")
    for service in ("Accounts", "Rating", "Tax", "Invoicing", "Payments", "Notification", "Reporting",
                    "Gateway"):
        check(service in out, f"call lists {service}")
    print(f"broadbill call: {out.count(chr(10))} lines, all services")
    status, out, _ = call(data, "--describe", "Invoicing/CreateBillRun")
    check(status == 0 and "as_of" in out, "call --describe shows fields")
    status, out, _ = call(data, "Accounts/CreateAccount", json.dumps(
        {"account": {"account_number": "A1", "name": "Ann Berg", "time_zone": "America/Chicago",
                     "billing_address": {"country_code": "US", "postal_code": "55401"}}}))
    check(status == 0, "call makes an account")
    account = json.loads(out).get("account_id", "")
    check(account.startswith("acc_"), "the account has an id")
    status, _, err = call(data, "Accounts/CreateAccount", '{"account": {"name": 5')
    check(status == 1 and err, "call refuses broken JSON")
    status, _, err = call(data, "Accounts/NoSuchMethod")
    check(status == 1 and "NoSuchMethod" in err, "call names a method that is not there")
    return account


def check_http(front, account, data):
    status, _, body = front.curl("GET", f"/v1/accounts/{account}")
    check(status == 200 and body.get("account_number") == "A1", "curl reads what call made")
    make = json.dumps({"account": {"account_number": "A2", "name": "Bo", "time_zone": "UTC"}})
    once = front.curl("POST", "/v1/accounts", make, headers=["Idempotency-Key: k1"])
    again = front.curl("POST", "/v1/accounts", make, headers=["Idempotency-Key: k1"])
    check(once[0] == 200 and once == again, "the same Idempotency-Key makes one account")

    front.problem("wrong key", front.curl("GET", "/v1/accounts", key="bbk_nonsense"), 401,
                  "API_KEY_INVALID")
    front.problem("missing field", front.curl("POST", "/v1/accounts", '{"account": {}}'), 400,
                  "INVALID_FIELD", "account.name", "must have")
    front.problem("unknown field", front.curl("POST", "/v1/accounts", '{"acount": {}}'), 400,
                  "UNKNOWN_FIELD", "acount")
    front.problem("broken JSON", front.curl("POST", "/v1/accounts", '{"account": {'), 400,
                  "MALFORMED_JSON")
    front.problem("huge body", front.curl("POST", "/v1/accounts", '{"x": "' + "y" * 30000000 + '"}'),
                  413, "REQUEST_TOO_LARGE")
    front.problem("no such account", front.curl(
        "GET", "/v1/accounts/acc_00000000000000000000000000"), 404, "ACCOUNT_NOT_FOUND")
    front.problem("no such path", front.curl("GET", "/v1/nothing"), 404, "ROUTE_NOT_FOUND")
    front.problem("wrong method", front.curl("PATCH", "/v1/bill-runs"), 405, "METHOD_NOT_ALLOWED")

    made = subprocess.run([f"{BIN}/broadbill", "apikey", "create", "reader", "--permissions",
                           "accounts.read", "--data", data], capture_output=True, text=True,
                          check=False)
    key = made.stdout.strip()
    check(front.curl("GET", "/v1/accounts", key=key)[0] == 200, "a limited key reads accounts")
    front.problem("a permission that is missing", front.curl("POST", "/v1/accounts", make, key=key),
                  403, "PERMISSION_DENIED", "accounts.write")

    status, kind, text = front.curl("GET", "/")
    check(status == 200 and kind.startswith("text/html") and "Broadbill" in str(text), "home page")
    status, _, openapi = front.curl("GET", "/v1/openapi.json")
    paths = openapi.get("paths", {})
    check(status == 200 and openapi.get("openapi") == "3.1.0", "OpenAPI 3.1")
    check("/v1/bill-runs" in paths and "/v1/reports/ar-aging" in paths, "OpenAPI has all services")
    print(f"OpenAPI: {len(paths)} paths")


def event(number, octets, **other):
    return {"specversion": "1.0", "id": str(number), "source": "gw", "subject": "ann",
            "type": "data.in", "time": "2026-03-01T12:00:00Z", "data": octets, **other}


def check_cloud_events(front):
    one, batch = "application/cloudevents+json", "application/cloudevents-batch+json"

    def send(kind, what):
        return front.curl("POST", "/v1/cloudevents", json.dumps(what), kind=kind)

    status, _, body = send(one, event(1, 5))
    check(status == 200 and body["waiting"] == "1", "an event is taken")
    status, _, body = send(one + "; charset=utf-8", event(1, {"octets": "5"}))
    check(status == 200 and body["duplicates"] == "1", "the same event again is a duplicate")
    front.problem("another content", send(one, event(1, 6)), 409, "USAGE_CONFLICT", "id '1'")
    status, _, body = send(batch, [event(1, 5), event(2, 9007199254740993, type="data.total")])
    check(status == 200 and body["waiting"] == "1" and body["duplicates"] == "1", "a batch is taken")
    wrong = send(batch, [event(3, -1), event(1, 7), event(4, 1), {"id": "x"}])
    front.problem("wrong events of a batch", wrong, 400, "INVALID_FIELD", "events[0].data",
                  "events[3].source", "id '1'", "1 events were kept")
    status, _, body = send(batch, [event(4, 1), event(2, "9007199254740993", type="data")])
    check(status == 200 and body["duplicates"] == "2", "the good events of it were kept, exactly")
    front.problem("an array as one event", send(one, [event(1, 5)]), 400, "MALFORMED_JSON")
    front.problem("another type", send("text/plain", event(1, 5)), 400, "UNKNOWN_FORMAT",
                  "cloudevents")
    front.problem("no key", front.curl("POST", "/v1/cloudevents", "{}", key="", kind=one), 401,
                  "API_KEY_MISSING")
    status, _, body = front.curl("GET", "/v1/waiting-records?page_size=10")
    check(status == 200 and len(body["records"]) == 3, "each event that waits is there once")


def check_voice(front, account):
    deck = ("prefix,destination,rate_per_minute,connect_fee,first_increment,next_increment\n"
            "44,Britain,0.06,0.05,60,60\n")
    status, _, body = front.curl("POST", "/v1/decks:import", json.dumps(
        {"deck_code": "retail", "currency_code": "USD",
         "content": base64.b64encode(deck.encode()).decode()}))
    check(status == 200 and str(body.get("rows_applied")) == "1", f"a deck is loaded: {body}")
    front.problem("a supplier's deck that is not there", front.curl(
        "POST", "/v1/decks:import", json.dumps(
            {"deck_code": "retail", "supplier_deck_code": "nowhere",
             "content": base64.b64encode(deck.encode()).decode()})), 400, "INVALID_FIELD",
        "supplier_deck_code")
    call_of = {"deck_codes": ["retail"], "called_number": "011 44 20 7946 0958", "seconds": 61,
               "answer_time": "2026-03-10T12:00:00Z"}
    status, _, body = front.curl("POST", "/v1/calls:simulate", json.dumps(call_of))
    print(f"  simulated call: {body.get('derivation')}")
    check(status == 200 and body.get("amount") == {"value": "0.17"}, f"a simulated call costs 0.17: {body}")
    check(body.get("derivation") == "0.05 + 120 s × 0.06/min = 0.17 (61 s at 60/60 = 120 s)",
          "a simulated call says how")
    check(body.get("called_number") == "+442079460958" and body.get("outcome") == "RATED",
          "a simulated call says what number it was")
    minute = dict(call_of, bundles=[{"name": "minutes", "minutes": {"value": "1"}}])
    status, _, body = front.curl("POST", "/v1/calls:simulate", json.dumps(minute))
    print(f"  with a minute included: {body.get('derivation')}")
    check(status == 200 and body.get("amount") == {"value": "0.11"}, "a minute included leaves 0.11")
    front.problem("a call with seconds below 0", front.curl(
        "POST", "/v1/calls:simulate", json.dumps(dict(call_of, seconds=-1))), 400, "INVALID_FIELD",
        "seconds")

    limits = {"limits": {"account_id": account, "hourly_spend": {"value": "10.50"},
                         "international_only": True}}
    status, _, body = front.curl("POST", "/v1/call-limits:set", json.dumps(limits))
    check(status == 200 and body.get("hourly_spend") == {"value": "10.5"}, f"limits are set: {body}")
    status, _, body = front.curl("GET", f"/v1/call-limits:get?account_id={account}")
    check(status == 200 and body.get("international_only") is True, f"limits are read: {body}")
    status, _, body = front.curl("GET", "/v1/call-alarms?open_only=true")
    check(status == 200 and not body.get("alarms"), f"there are no alarms: {body}")
    front.problem("an alarm that is not there", front.curl(
        "POST", "/v1/call-alarms/alm_00000000000000000000000000:acknowledge", "{}"), 404,
        "ALARM_NOT_FOUND")
    status, _, body = front.curl(
        "GET", "/v1/call-margins?start_time=2026-03-01T00:00:00Z&end_time=2026-04-01T00:00:00Z")
    check(status == 200 and not body.get("margins"), f"there are no calls: {body}")


def main():
    data = tempfile.mkdtemp(prefix="broadbill_front_")
    suite = Process([f"{BIN}/broadbill", "serve", "--data", data, "--gateway-listen", "127.0.0.1:0"],
                    r"(http://127\.0\.0\.1:\d+)/[\s\S]*gRPC +(\S+)")
    gateway = None
    try:
        with open(f"{data}/admin.key", encoding="utf-8") as file:
            front = Front(suite.found.group(1), file.read().strip())
        account = check_call(data)
        check_http(front, account, data)
        check_cloud_events(front)
        check_voice(front, account)

        # The gateway as a process of its own, in front of services that run elsewhere.
        with open(f"{data}/endpoints", encoding="utf-8") as file:
            grpc, _, database = file.read().split("\n")[:3]
        with open(f"{data}/internal.key", encoding="utf-8") as file:
            secret = {"BROADBILL_INTERNAL_KEY": file.read().strip(),
                      "BROADBILL_DATABASE_URL": database}
        services = ("accounts", "rating", "tax", "invoicing", "payments", "notification", "reporting")
        gateway = Process([f"{BIN}/broadbill-gateway", "--gateway-listen", "127.0.0.1:0"] +
                          [f"--{name}-address={grpc}" for name in services],
                          r"HTTP (http://127\.0\.0\.1:\d+)/", secret)
        apart = Front(gateway.found.group(1), front.key)
        status, _, body = apart.curl("GET", f"/v1/accounts/{account}")
        check(status == 200 and body.get("name") == "Ann Berg", "a gateway of its own reaches accounts")
    finally:
        if gateway is not None:
            check(gateway.stop() == 0, "the gateway drains on SIGTERM")
        check(suite.stop() == 0, "the suite drains on SIGTERM")
        shutil.rmtree(data, ignore_errors=True)
    print(f"front door: {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
