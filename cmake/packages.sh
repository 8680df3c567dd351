# shellcheck shell=bash disable=SC2034
# Sourced by ./quickstart and ./check: the Debian and Ubuntu packages that the project is built with, and how they get
# there. The oldest versions are listed in docs/building.md.

program_packages=(
  g++ cmake ninja-build # compiler and build tools
  libboost-dev libcli11-dev libdnnl-dev libeigen3-dev librandom123-dev libtomlplusplus-dev nlohmann-json3-dev
  gnuplot-nox # draws the figures
)
test_packages=(catch2)
# Debian's chromium tests the report in a real browser (80 MB to fetch). Ubuntu has it as a snap only, which containers do
# not run: there that test is skipped.
if [ -r /etc/os-release ] && grep -q '^ID=debian' /etc/os-release; then test_packages+=(chromium); fi

say() { printf '\n== %s\n' "$*"; }

fail() {
  printf '\n%s\n' "$*" >&2
  exit 1
}

# install_packages NAME...: installs those that are missing, and asks for root only when there are some.
install_packages() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "This is neither Debian nor Ubuntu, so nothing is installed for you."
    echo "Needed are GCC 12 (or newer), CMake 3.25, Ninja, Boost 1.74 (headers), CLI11 2.1, oneDNN 2.6, Eigen 3.4, Random123,"
    echo "toml++ 3.3, nlohmann_json 3.11, gnuplot 5.4 with cairo and, for the tests, Catch2 2.13.5 (and Chromium for one of them). Going on with what is here."
    return
  fi
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  if [ ${#missing[@]} -eq 0 ]; then return; fi

  say "Installing ${missing[*]}"
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "Root is needed for this, and there is no sudo. As root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get -q update ||
    fail "apt-get update failed; is the network there? Needed: ${missing[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "${missing[@]}" ||
    fail "apt-get could not install: ${missing[*]}"
}

# at_least OLDEST FOUND: is version FOUND no older than OLDEST?
at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# Compiler and CMake too old for us would fail later, with a message that says less.
check_tools() {
  local tool found
  for tool in cmake ninja "${CXX:-g++}"; do
    command -v "$tool" >/dev/null || fail "$tool was not found."
  done
  found=$(cmake --version | sed -n 's/^cmake version //p')
  at_least 3.25 "$found" || fail "CMake 3.25 or newer is needed, $found was found (Debian 12 and Ubuntu 24.04 have them)."
  if [ "${CXX:-g++}" = g++ ]; then
    found=$(g++ -dumpfullversion)
    at_least 12 "$found" || fail "GCC 12 or newer is needed, $found was found (Debian 12 and Ubuntu 24.04 have them)."
  fi
}
