# Shared by the scripts beside it: where things are, how they talk, how they show progress. Sourced, never run.
# shellcheck shell=bash disable=SC2034

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${MILLRACE_CACHE:-$root/.cache}
case $cache in /*) ;; *) cache=$PWD/$cache ;; esac
parts=$cache/parts
target=${CARGO_TARGET_DIR:-$root/target}
. "$here/versions"

say() { printf 'millrace: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# A path as one would type it at the top of the clone.
short() { case $1 in "$root"/*) echo "${1#"$root"/}" ;; *) echo "$1" ;; esac; }

megabytes_in() { du -smc "$@" 2> /dev/null | awk 'END { print $1 + 0 }'; }

# run_shown WHAT LOG MEASURE COMMAND...: runs a long command with its output in LOG and says every ten seconds how far it
# is, by calling MEASURE. On failure the end of the log is shown and the command's status returned.
run_shown() {
    local what=$1 log=$2 measure=$3 started=$SECONDS status=0 shown=$SECONDS
    shift 3
    mkdir -p "$(dirname "$log")"
    "$@" > "$log" 2>&1 &
    local pid=$!
    # shellcheck disable=SC2064
    trap "kill $pid 2> /dev/null" INT TERM
    while kill -0 "$pid" 2> /dev/null; do
        sleep 0.2
        if ((SECONDS - shown >= 10)); then
            shown=$SECONDS
            say "$what: $("$measure"), $((SECONDS - started)) s"
        fi
    done
    wait "$pid" || status=$?
    trap - INT TERM
    if ((status != 0)); then
        tail -n 15 "$log" >&2
        say "$what failed after $((SECONDS - started)) s; all of its output is in $(short "$log")"
    else
        say "$what: done, $((SECONDS - started)) s"
    fi
    return "$status"
}

# Which lines of parts.sha256 belong to a part.
pinned() {
    case $1 in
        kafka) grep ' kafka/' "$here/parts.sha256" ;;
        registry) grep ' archives/apicurio' "$here/parts.sha256" ;;
        libchdb) grep -E ' (archives/libchdb|libchdb/)' "$here/parts.sha256" ;;
        onnxruntime) grep -E ' (archives/onnxruntime|onnxruntime/)' "$here/parts.sha256" ;;
        browser) grep -E ' (archives/(chromium|axe)|browser/)' "$here/parts.sha256" ;;
    esac
}

# A part is complete when it was unpacked from exactly what is pinned today; the stamp is written last.
stamp_of() { pinned "$1" | sha256sum | cut -d ' ' -f 1; }
is_complete() { [ "$(cat "$parts/$1/.complete" 2> /dev/null)" = "$(stamp_of "$1")" ]; }
mark_complete() { stamp_of "$1" > "$parts/$1/.complete"; }

missing_parts() {
    local part
    for part in kafka registry libchdb onnxruntime; do
        is_complete "$part" || echo "$part"
    done
}

# check FOLDER PART: every pinned file of the part that is in FOLDER must have its checksum, and none may be missing.
check() {
    local wrong
    wrong=$(cd "$1" && pinned "$2" | { [ -z "${3:-}" ] || grep "$3"; } | sha256sum --check --quiet 2> /dev/null | sed 's/: .*//') || true
    [ -z "$wrong" ] && return
    say "these files are not the ones that are pinned in deploy/local/parts.sha256:"
    echo "$wrong" | sed 's/^/  /' >&2
    return 1
}

# Options that make curl reach npm's registry the way npm would.
npm_setting() { npm config get "$1" 2> /dev/null | sed '/^null$/d; /^undefined$/d; /^$/d'; }
curl_like_npm() {
    local proxy cafile noproxy
    proxy=$(npm_setting https-proxy)
    [ -n "$proxy" ] || proxy=$(npm_setting proxy)
    cafile=$(npm_setting cafile)
    noproxy=$(npm_setting noproxy)
    curl --fail --silent --show-error --location --retry 5 --connect-timeout 20 --speed-limit 1000 --speed-time 60 \
        ${proxy:+--proxy "$proxy"} ${cafile:+--cacert "$cafile"} ${noproxy:+--noproxy "$noproxy"} "$@"
}

# download_npm PACKAGE ARCHIVE: npm itself cannot resume a download, so curl does the fetching; where npm needs more than curl is told
# here (a registry with credentials), npm does it alone.
download_npm() {
    local address packed
    address=$(npm view "$1" dist.tarball 2> /dev/null || true)
    if [ -n "$address" ] && curl_like_npm --continue-at - --output "$2" "$address"; then
        return
    fi
    rm -f "$2"
    (cd "$(dirname "$2")" && packed=$(npm pack --silent "$1" | tail -n 1) && mv "$packed" "$2")
}
