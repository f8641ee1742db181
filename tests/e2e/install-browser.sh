#!/bin/sh
# Prints the path of a Chromium the tests can drive; installs one, and unzip, if the machine has none.
# Usage: install-browser.sh BIN, the folder of the virtual environment's programs.
set -eu
bin=$1

find_browser() {
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        if [ -n "$name" ] && command -v "$name"; then return 0; fi
    done
    # The one Playwright downloads, if it did.
    downloaded=$("$bin/python" -c 'from playwright.sync_api import sync_playwright as start
with start() as playwright: print(playwright.chromium.executable_path)')
    if [ -x "$downloaded" ]; then echo "$downloaded"; else return 1; fi
}

apt_install() {
    if ! command -v apt-get >/dev/null; then return 1; fi
    if [ "$(id -u)" = 0 ]; then as_root=""; elif sudo -n true 2>/dev/null; then as_root="sudo"; else return 1; fi
    echo "Installing $* …" >&2
    { $as_root apt-get update -qq && $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends "$@"; } >/dev/null 2>&1
}

if ! command -v unzip >/dev/null && ! apt_install unzip; then
    echo "The tests need the program unzip. Please install it." >&2
    exit 1
fi
if find_browser; then exit 0; fi
apt_install chromium || "$bin/playwright" install chromium >&2 || true
if find_browser; then exit 0; fi
echo "The tests need Chromium. Please install it, or name it: CHROMIUM=/path/to/chromium make test" >&2
exit 1
