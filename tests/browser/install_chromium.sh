#!/bin/sh
# Make sure there is a Chromium for the browser tests: use what is there, else the system's package manager.
for name in chromium-headless-shell chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null 2>&1
}
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing chromium for the browser tests ..." >&2
    apt-get update -qq && { install chromium-headless-shell || install chromium; } && exit 0
fi
echo "The browser tests need Chromium: install it (for instance 'sudo apt-get install chromium'); they are skipped until then." >&2
exit 0
