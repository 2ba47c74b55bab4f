#!/usr/bin/python3
"""A mail server for tests and the demo: keeps what it receives as files.

  mailbox.py --listen 127.0.0.1:0 --folder DIR [--reject ADDRESS]... [--fail-first N]
             [--login USER:PASSWORD] [--until-eof]

Prints `listening 127.0.0.1:PORT` when ready and ends on SIGTERM, or with --until-eof when its
standard input ends, which a parent's death brings about too. Each message becomes
DIR/NNNNNN.eml, complete when it appears: Return-Path, Delivered-To and Received lines as a mail
server adds them (the latter with the client's port, so that connections can be told apart), then the
bytes as received.

  --reject      answer 550 to this recipient; may be given several times
  --fail-first  answer 451 to the first N messages, after their data
  --login       refuse senders that do not authenticate so
"""
import argparse
import asyncio
import logging
import pathlib
import signal
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult


class Mailbox:
    def __init__(self, folder, rejected, fail_first):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rejected = {address.lower() for address in rejected}
        self.failures_left = fail_first
        self.number = max((int(f.stem) for f in self.folder.glob("[0-9]*.eml")), default=0)

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.lower() in self.rejected:
            return "550 5.1.1 no such mailbox here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.failures_left > 0:
            self.failures_left -= 1
            return "451 4.3.0 try again later"
        self.number += 1
        lines = [f"Return-Path: <{envelope.mail_from}>"]
        lines += [f"Delivered-To: {address}" for address in envelope.rcpt_tos]
        lines += [f"Received: from [{session.peer[0]}]:{session.peer[1]} by localhost"]
        head = "".join(line + "\r\n" for line in lines).encode()
        target = self.folder / f"{self.number:06}.eml"
        partial = target.with_suffix(".part")
        partial.write_bytes(head + envelope.original_content)
        partial.rename(target)
        return f"250 2.0.0 kept as {target.name}"


def login(expected):
    user, _, password = expected.partition(":")

    def authenticate(server, session, envelope, mechanism, data):
        given = (getattr(data, "login", b""), getattr(data, "password", b""))
        # Not handled: the server sends the answer (235 or 535).
        return AuthResult(success=given == (user.encode(), password.encode()), handled=False)

    return {"authenticator": authenticate, "auth_required": True, "auth_require_tls": False}


async def serve(args):
    mailbox = Mailbox(args.folder, args.reject, args.fail_first)
    options = login(args.login) if args.login else {}
    host, _, port = args.listen.rpartition(":")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(mailbox, hostname="localhost", enable_SMTPUTF8=True, loop=loop, **options),
        host, int(port))
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if args.until_eof:
        def read_input():
            if not sys.stdin.buffer.raw.read(4096):
                ended.set()
        loop.add_reader(sys.stdin, read_input)
    address = server.sockets[0].getsockname()
    print(f"listening {address[0]}:{address[1]}", flush=True)
    await ended.wait()
    server.close()


def main():
    # A parent that waits for signals itself hands down a mask that blocks them.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    # A login without TLS is what a loopback test wants; the library warns of it at every connection.
    warnings.simplefilter("ignore")
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    parser = argparse.ArgumentParser(description="A mail server that keeps mail as files.")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    parser.add_argument("--folder", required=True)
    parser.add_argument("--reject", action="append", default=[], metavar="ADDRESS")
    parser.add_argument("--fail-first", type=int, default=0, metavar="N")
    parser.add_argument("--login", metavar="USER:PASSWORD")
    parser.add_argument("--until-eof", action="store_true")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
