"""A mail server for a lab: takes every mail on 127.0.0.1:2525 and appends it to /root/mails.

usage: mailbox.py [DIRECTORY WITH aiosmtpd]
"""

import asyncio
import sys

sys.path.insert(0, sys.argv[1])

from aiosmtpd.smtp import SMTP, Envelope


class Box:
    """Keeps what comes."""

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep one mail."""
        content = bytes(envelope.original_content or b"")
        with open("/root/mails", "ab") as file:
            file.write(f"To: {envelope.rcpt_tos}\n".encode() + content + b"\n=== end ===\n")
        return "250 kept"


async def main() -> None:
    """Serve until ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Box()), "127.0.0.1", 2525)
    await server.serve_forever()


asyncio.run(main())
