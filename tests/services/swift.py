"""OpenStack Swift, which speaks the protocol of S3 and, unlike an imitation of it, believes no signature unseen.

Its four servers run with one device in a folder, whose file system must keep extended attributes of users.
"""

from __future__ import annotations

import getpass
import os
import subprocess

from tests.services.servers import NotInstalled, Server, program
from tests.waiting import free_port, listens

KEY, SECRET = "portal:tests", "secret-key-of-the-tests"

_KINDS = ("account", "container", "object")

#: One copy of everything, on one device. Its library is there for Debian's own Python alone.
_RINGS = """
import sys
from swift.common.ring import RingBuilder
folder, *ports = sys.argv[1:]
for kind, port in zip({kinds}, map(int, ports)):
    place = dict(ip="127.0.0.1", port=port, replication_ip="127.0.0.1", replication_port=port)
    builder = RingBuilder(2, 1, 0)
    builder.add_dev(dict(region=1, zone=1, device="disk", weight=1, **place))
    builder.rebalance()
    builder.get_ring().save(f"{{folder}}/{{kind}}.ring.gz")
"""

_SHARED = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
log_level = ERROR
"""

_STORAGE = """
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""

#: Each part of an upload but the last has at least `smallest_part` bytes. What it would cache it asks for instead.
_PROXY = """
[pipeline:main]
pipeline = catch_errors cache listing_formats s3api bulk tempauth copy slo symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:9
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
min_segment_size = {smallest_part}
max_upload_part_num = 10000
[filter:tempauth]
use = egg:swift#tempauth
user_{user} = {secret} .admin
[filter:slo]
use = egg:swift#slo
max_manifest_segments = 10000
"""

_PLAIN = ("catch_errors", "listing_formats", "bulk", "copy", "symlink")


class Swift(Server):
    """A store with one account, that of KEY and SECRET, and no bucket yet."""

    package = "swift-proxy swift-account swift-container swift-object"
    smallest_part = 1000

    def prepare(self) -> None:
        try:
            os.setxattr(self.folder, "user.tests", b"")
        except OSError as error:
            raise NotInstalled(f"{self.folder} keeps no extended attributes.") from error
        self._programs = {kind: program(f"swift-{kind}-server", self.package) for kind in (*_KINDS, "proxy")}
        self._ports = [free_port() for _ in _KINDS]
        (self.folder / "devices" / "disk").mkdir(parents=True)
        rings = ["/usr/bin/python3", "-c", _RINGS.format(kinds=_KINDS), str(self.folder), *map(str, self._ports)]
        subprocess.run(rings, check=True)
        for kind, port in zip(_KINDS, self._ports, strict=True):
            self._configure(kind, port, _STORAGE.format(kind=kind))
        plain = "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in _PLAIN)
        user = KEY.replace(":", "_")
        self._configure(
            "proxy", self.port, _PROXY.format(smallest_part=self.smallest_part, user=user, secret=SECRET) + plain
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def launch(self) -> None:
        for kind, path in self._programs.items():
            self.run(path, str(self.folder / f"{kind}.conf"), "--verbose")

    def answers(self) -> bool:
        return all(map(listens, (*self._ports, self.port)))

    def _configure(self, kind: str, port: int, more: str) -> None:
        shared = _SHARED.format(port=port, user=getpass.getuser(), folder=self.folder)
        (self.folder / f"{kind}.conf").write_text(shared + more)
