"""An API for notes, each worker's own: it knows nothing of the prefix that it is served under."""

from flask import Flask, jsonify, request, url_for
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)
# The balancer is the one proxy before it: its word for client, scheme, host and prefix makes addresses in answers right.
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)

NOTES_KEPT = 100
notes = []


@app.get("/health")
def health():
    return "fine\n"


@app.get("/notes")
def listed():
    return jsonify(notes)


@app.post("/notes")
def add():
    text = request.get_json()["text"]
    if len(notes) == NOTES_KEPT:
        return jsonify(error=f"{NOTES_KEPT} notes are kept, and no more"), 507
    notes.append({"text": text})
    return jsonify(notes[-1]), 201, {"Location": url_for("note", number=len(notes), _external=True)}


@app.get("/notes/<int:number>")
def note(number):
    if not 1 <= number <= len(notes):
        return jsonify(error="there is no such note"), 404
    return jsonify(notes[number - 1])
