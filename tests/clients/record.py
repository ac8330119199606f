"""Record what HTTP clients send when they ask for a token, for tests that repeat it.

    python -m tests.clients.record

Runs the clients that the machine has, with a key that was made up, against a socket that answers
everything; writes ``recorded.json`` beside this file: for each request the pieces in which it came.
What a client that is missing here was recorded with before stays. Python's libraries are taken from
the interpreter that runs this; each client says its version itself, or in its ``User-Agent``.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.clients.recorded import KEY, RECORDED

HOST = "broker.example:8080"
GRANT = "grant_type=client_credentials"
TOKEN = b'{"access_token":"t","token_type":"Bearer","expires_in":600,"refresh_in":300}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
LIMIT = 600.0

PYTHON = {
    "http.client": """
import http.client
ours = http.client.HTTPConnection(HOST)
ours.request("GET", "/token", headers=BEARER); ours.getresponse().read()
ours.request("POST", "/token", FORM, TYPED | BASIC); ours.getresponse().read()
""",
    "urllib.request": """
from urllib.request import Request, urlopen
urlopen(Request(URL, headers=BEARER)).read()
urlopen(Request(URL, FORM.encode(), BASIC)).read()
""",
    "requests": """
import requests
with requests.Session() as ours:
    ours.get(URL, headers=BEARER, params={"organization": "acme"})
    ours.post(URL, data={"grant_type": "client_credentials"}, auth=("billing", KEY))
""",
    "urllib3": """
import urllib3
ours = urllib3.PoolManager()
ours.request("GET", URL, headers=BEARER)
ours.request("POST", URL, body=FORM, headers=TYPED | BASIC)
""",
    "httpx": """
import httpx
with httpx.Client() as ours:
    ours.get(URL, headers=BEARER)
    ours.post(URL, data={"grant_type": "client_credentials"}, auth=("billing", KEY))
""",
    "aiohttp": """
import aiohttp, asyncio
async def main():
    async with aiohttp.ClientSession() as ours:
        async with ours.get(URL, headers=BEARER) as answer: await answer.read()
        auth = aiohttp.BasicAuth("billing", KEY)
        form = {"grant_type": "client_credentials"}
        async with ours.post(URL, data=form, auth=auth) as answer: await answer.read()
asyncio.run(main())
""",
    "requests_oauthlib": """
import os; os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session
ours = OAuth2Session(client=BackendApplicationClient("billing"))
ours.fetch_token(URL, client_id="billing", client_secret=KEY)
""",
    "authlib": """
from authlib.integrations.requests_client import OAuth2Session
OAuth2Session("billing", KEY).fetch_token(URL, grant_type="client_credentials")
""",
}
PREAMBLE = """
import base64, sys
URL, KEY = sys.argv[1:]
HOST, FORM = URL.split("/")[2], "grant_type=client_credentials"
BEARER = {"Authorization": "Bearer " + KEY}
BASIC = {"Authorization": "Basic " + base64.b64encode(("billing:" + KEY).encode()).decode()}
TYPED = {"Content-Type": "application/x-www-form-urlencoded"}
"""
NODE = {
    "node fetch": """
const [url, key] = process.argv.slice(1)
await (await fetch(url, { headers: { authorization: `Bearer ${key}` } })).text()
const body = new URLSearchParams({ grant_type: 'client_credentials' })
const authorization = 'Basic ' + btoa(`billing:${key}`)
await (await fetch(url, { method: 'POST', body, headers: { authorization } })).text()
""",
    "node http": """
import http from 'node:http'
const [url, key] = process.argv.slice(1)
const ask = (options, body) => new Promise((done) => {
  const request = http.request(url, options, (answer) => answer.resume().on('end', done))
  if (body) request.write(body)
  request.end()
})
const form = { 'Content-Type': 'application/x-www-form-urlencoded' }
await ask({ headers: { Authorization: `Bearer ${key}` } })
const post = { method: 'POST', auth: `billing:${key}`, headers: form }
await ask(post, 'grant_type=client_credentials')
""",
}
JAVA = """
import java.net.*; import java.net.http.*; import java.util.Base64;
public class Ask { public static void main(String[] given) throws Exception {
  var client = HttpClient.newHttpClient(); var text = HttpResponse.BodyHandlers.ofString();
  var basic = Base64.getEncoder().encodeToString(("billing:" + given[1]).getBytes());
  var get = HttpRequest.newBuilder(URI.create(given[0]));
  client.send(get.header("Authorization", "Bearer " + given[1]).build(), text);
  client.send(HttpRequest.newBuilder(URI.create(given[0]))
    .header("Authorization", "Basic " + basic)
    .header("Content-Type", "application/x-www-form-urlencoded")
    .POST(HttpRequest.BodyPublishers.ofString("grant_type=client_credentials")).build(), text);
  System.exit(0);
} }
"""
OLD_JAVA = """
import java.net.*;
public class OldAsk { public static void main(String[] given) throws Exception {
  var ours = (HttpURLConnection) URI.create(given[0]).toURL().openConnection();
  ours.setRequestProperty("Authorization", "Bearer " + given[1]);
  ours.getInputStream().readAllBytes();
} }
"""
GO = """
package main
import ("io"; "net/http"; "net/url"; "os"; "strings")
func send(method, form string, way func(*http.Request)) {
	request, _ := http.NewRequest(method, os.Args[1], nil)
	if form != "" { request, _ = http.NewRequest(method, os.Args[1], strings.NewReader(form)) }
	way(request)
	answer, err := http.DefaultClient.Do(request)
	if err != nil { panic(err) }
	io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
}
func main() {
	send("GET", "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+os.Args[2]) })
	form := url.Values{"grant_type": {"client_credentials"}}.Encode()
	send("POST", form, func(r *http.Request) {
		r.SetBasicAuth("billing", os.Args[2])
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	})
}
"""
LWP = """
use LWP::UserAgent; use HTTP::Request::Common; my ($url, $key) = @ARGV;
my $ours = LWP::UserAgent->new(keep_alive => 1);
$ours->get($url, Authorization => "Bearer $key");
my $post = POST $url, [grant_type => "client_credentials"];
$post->authorization_basic("billing", $key); $ours->request($post);
"""
TINY = """
use HTTP::Tiny; my ($url, $key) = @ARGV; my $ours = HTTP::Tiny->new;
$ours->get($url, { headers => { Authorization => "Bearer $key" } });
$ours->post_form($url, { grant_type => "client_credentials", client_id => "billing",
  client_secret => $key });
"""


class Recorder:
    """Answers everything that comes to its port, and keeps the pieces of each request."""

    def __init__(self) -> None:
        self.requests: list[list[bytes]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        pieces: list[bytes] = []
        with client, suppress(OSError):
            while piece := client.recv(65536):
                pieces.append(piece)
                if is_whole(b"".join(pieces)):
                    self.requests.append(pieces)
                    pieces = []
                    client.sendall(ANSWER % (len(TOKEN), TOKEN))

    def taken(self) -> list[list[str]]:
        """Return the requests since it was asked last, to :data:`HOST` in place of its own."""
        taken, self.requests = self.requests, []
        texts = [[piece.decode("latin-1") for piece in pieces] for pieces in taken]
        return [[piece.replace(self.address, HOST) for piece in pieces] for pieces in texts]

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve; give the URL to ask at."""
        self._thread.start()
        yield f"http://{self.address}/token"
        self._listener.close()


def is_whole(request: bytes) -> bool:
    """Tell whether a request has come to its end, by its length or the last of its chunks."""
    head, end, body = request.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    if fields.get(b"transfer-encoding") == b"chunked":
        return body.endswith(b"0\r\n\r\n")
    return bool(end) and len(body) >= int(fields.get(b"content-length", b"0"))


def commands(folder: Path) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield the clients, each with its commands; URL and key come behind them."""
    for name, code in PYTHON.items():
        yield name, [[sys.executable, "-c", PREAMBLE + code]]
    for name, code in NODE.items():
        yield name, [["node", "--input-type=module", "-e", code, "--"]]
    (folder / "Ask.java").write_text(JAVA)
    (folder / "OldAsk.java").write_text(OLD_JAVA)
    (folder / "ask.go").write_text(GO)
    yield "java", [["java", str(folder / "Ask.java")]]
    yield "java HttpURLConnection", [["java", str(folder / "OldAsk.java")]]
    yield "go", [["go", "run", str(folder / "ask.go")]]
    yield "lwp", [["perl", "-e", LWP, "--"]]
    yield "http::tiny", [["perl", "-e", TINY, "--"]]
    bearer, basic = "Authorization: Bearer {key}", "billing:{key}"
    yield "curl", [["curl", "-sSH", bearer, "{url}"], ["curl", "-sSu", basic, "-d", GRANT, "{url}"]]
    yield (
        "wget",
        [
            ["wget", "-qO-", f"--header={bearer}", "{url}"],
            ["wget", "-qO-", f"--post-data={GRANT}&client_id=billing&client_secret={KEY}", "{url}"],
        ],
    )


def main() -> None:
    """Record."""
    kept: dict[str, list[list[str]]] = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    recorder, environ = Recorder(), os.environ | {"CGO_ENABLED": "0"}
    with tempfile.TemporaryDirectory() as folder, recorder.running() as url:
        for name, steps in commands(Path(folder)):
            if shutil.which(steps[0][0]) is None:
                continue
            for step in steps:
                words = [
                    word.format(url=url, key=KEY) if "{url}" in step else word for word in step
                ]
                whole = words if "{url}" in step else [*words, url, KEY]
                subprocess.run(whole, check=False, capture_output=True, timeout=LIMIT, env=environ)
            if requests := recorder.taken():
                kept[name] = requests
    RECORDED.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
