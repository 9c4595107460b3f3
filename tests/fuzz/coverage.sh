#!/usr/bin/env bash
# The targets under a coverage-guided fuzzer: `tests/fuzz/coverage.sh [SECONDS] [TARGET...]`. Needs a nightly toolchain,
# and `cargo fuzz`: where that is missing, it is installed into target/tools, which takes a minute or two. What cannot
# be had is named in a line `skipped: ...`, and 77 is returned. Corpus and findings are in target/fuzz-coverage.
# `.ci/run` sets FUZZ_INSTALL=no: there nothing is installed, because the build alone would take longer than a step may.
set -euo pipefail

cd "$(dirname "$0")"
seconds="${1:-60}"
shift || true
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || targets=(snapshot config state pipe scenario operations)

skip() {
    echo "skipped: $*"
    exit 77
}
command -v rustup >/dev/null || skip "no rustup to find a nightly toolchain with"
rustup toolchain list | grep -q '^nightly' || skip "no nightly toolchain"
root="$(cd ../.. && pwd)"
tools="${CARGO_TARGET_DIR:-$root/target}/tools"
PATH="$PATH:$tools/bin"
if ! command -v cargo-fuzz >/dev/null; then
    [[ "${FUZZ_INSTALL:-yes}" == yes ]] || skip "no cargo-fuzz; tests/fuzz/coverage.sh alone installs it"
    timeout 300 cargo install --quiet --locked --root "$tools" cargo-fuzz || skip "cargo-fuzz cannot be had"
fi

# A package for cargo-fuzz is written where it disturbs nobody: it depends on libfuzzer-sys, which nothing else needs.
here="$PWD"
project="$root/target/fuzz-coverage"
mkdir -p "$project/fuzz_targets"
{
    printf '[package]\nname = "fuzz-coverage"\nversion = "0.0.0"\nedition = "2024"\npublish = false\n\n'
    printf '[package.metadata]\ncargo-fuzz = true\n\n[workspace]\n\n'
    printf '[dependencies]\nlibfuzzer-sys = "0.4"\nfuzz = { path = "%s" }\n' "$here"
    for target in "${targets[@]}"; do
        printf '\n[[bin]]\nname = "%s"\npath = "fuzz_targets/%s.rs"\ntest = false\ndoc = false\n' \
            "$target" "$target"
    done
} >"$project/Cargo.toml"
for target in "${targets[@]}"; do
    variant="${target^}"
    cat >"$project/fuzz_targets/$target.rs" <<RUST
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Err(says) = fuzz::execute(fuzz::Target::$variant, bytes) {
        panic!("{says}");
    }
});
RUST
done

for target in "${targets[@]}"; do
    mkdir -p "$project/corpus/$target"
    cargo +nightly fuzz run --fuzz-dir "$project" "$target" "$project/corpus/$target" "$here/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096
done
