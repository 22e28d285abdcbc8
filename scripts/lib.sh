# shellcheck shell=bash
# What the scripts share. A script sources it first; it owns the temporary folder $tmp.

set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
pushbench=$target/release/pushbench
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$root"

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# need COMMAND PACKAGE: installs the Debian package when the command is missing and we may.
need() {
    command -v "$1" >/dev/null || install_for "$1" "$2"
}

# install_for WHAT PACKAGE
install_for() {
    [[ $(id -u) == 0 && -x $(command -v apt-get) ]] || die "$1 is missing: install $2"
    echo "installing $2 for $1"
    # Lists that are too old name packages that are gone.
    if [[ ! -e $tmp/apt-is-fresh ]]; then
        apt-get -qq update
        touch "$tmp/apt-is-fresh"
    fi
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "$2" >/dev/null
}

# python_with_yaml: the path of a Python that reads YAML. Only Debian's has what Debian's package brings.
python_with_yaml() {
    local python
    for python in "$(command -v python3 || true)" /usr/bin/python3; do
        if [[ -n $python ]] && "$python" -c 'import yaml' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    return 1
}

build_pushbench() {
    command -v cargo >/dev/null || die "cargo is missing: https://rustup.rs installs it"
    cargo build --release --locked --quiet
}

# run_scenario FILE OUT [ARGUMENT…]: one `pushbench run`, silent unless it fails.
run_scenario() {
    local file=$1 out=$2
    shift 2
    "$pushbench" run "$file" --out "$out" "$@" >"$out.log" 2>&1
}

# metric FILE NAME: the value in a trials.csv that holds one trial.
metric() {
    # Counted from the end: what stands before may be quoted and hold commas.
    awk -F, -v name="$2" '$(NF-2) == name { print $NF }' "$1"
}

# is_valid FILE: whether the one trial in a trials.csv is valid.
is_valid() {
    [[ $(awk -F, 'NR == 2 { print $(NF-3) }' "$1") == true ]]
}

# ratios: reads `NAME VALUE` lines in the order of measurement. NAME is `reference` for the floor
# that others are held against. Prints `NAME VALUE RATIO` for every other line: its ratio to the
# mean of the references just before and just after it, because times drift in waves.
ratios() {
    awk '
        $1 != "reference" { name[++n] = $1; value[n] = $2; next }
        {
            for (i = 1; i <= n; i++) print name[i], value[i], value[i] / ((before + $2) / 2)
            n = 0
            before = $2
        }'
}

# median_of COLUMN [NAME]: median, smallest and largest of a column, of the lines of that name.
median_of() {
    awk -v column="$1" -v name="${2:-}" 'name == "" || $1 == name { print $column }' | sort -g |
        awk '{ v[NR] = $1 }
            END { if (NR) print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2, v[1], v[NR] }'
}

# at_most VALUE BAR
at_most() {
    awk -v value="$1" -v bar="$2" 'BEGIN { exit !(value != "" && value + 0 <= bar + 0) }'
}
