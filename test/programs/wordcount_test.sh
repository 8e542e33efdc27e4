#!/bin/sh
# Compares wordcount with coreutils: the full counts, the errors and the exit status.
#
#   wordcount_test.sh PROGRAM [EMULATOR...]
#
# Everything runs on 1, 2, 4 and 8 processors. Needs no privileges; as root, files that may not be
# read are tested by giving the privileges up, where that is possible.
set -u
LC_ALL=C
export LC_ALL

program=$1
shift
emulator=$*

dir=$(mktemp -d) || exit 99
trap 'chmod -R u+rwx "$dir"; rm -rf "$dir"' EXIT
trap 'exit 99' HUP INT PIPE TERM
failures=0

fail() {
  echo "FAILED ($CSP_PROCESSORS processors): $*" >&2
  failures=$((failures + 1))
}

wordcount() {
  # shellcheck disable=SC2086 # the emulator may have arguments
  $emulator "$program" "$@"
}

# The same counts by coreutils. tr runs once per file, so that no word spans two files.
reference() {
  find "$@" -type f -exec sh -c '
      for file; do tr -cs A-Za-z "\n" <"$file"; echo; done' sh {} + |
    tr '[:upper:]' '[:lower:]' | sed '/^$/d' | sort | uniq -c | sed 's/^ *//' >"$dir/expected"
}

# expect_status STATUS ARGUMENT...: runs wordcount, its output in $dir/out and $dir/err.
expect_status() {
  expected_status=$1
  shift
  wordcount "$@" >"$dir/out" 2>"$dir/err"
  status=$?
  if [ "$status" -ne "$expected_status" ]; then
    fail "wordcount $*: exit status $status, not $expected_status"
    head -n 20 "$dir/err" >&2
  fi
}

expect_counts() {
  if ! cmp -s "$dir/expected" "$dir/out"; then
    fail "$1: the counts differ from those of coreutils"
    diff "$dir/expected" "$dir/out" | cut -c 1-200 | head -n 20 >&2
  fi
}

expect_error() {
  [ "$(grep -c -F -- "wordcount: $1: " "$dir/err")" -eq 1 ] || fail "not one error about '$1'"
}

# A repeated text of $1 bytes.
text() {
  yes 'The quick brown fox, jumps over THE lazy dog; 42 times_a-day.' | head -c "$1"
}

make_trees() {
  mkdir -p "$dir/tree/deep/er/and/still/deeper" "$dir/tree/many" "$dir/tree/empty directory"
  : >"$dir/tree/empty"
  printf 'no newline at the end' >"$dir/tree/no newline"
  printf 'joined' >"$dir/tree/joined1"
  printf 'joined' >"$dir/tree/joined2"
  printf '\0zero\0bytes\377\376and h\303\244ndler\r\n' >"$dir/tree/binary"
  printf 'Hidden hidden HIDDEN\n' >"$dir/tree/.hidden"
  printf '12345 67890 ...\n' >"$dir/tree/no letters"
  printf 'a strange name\n' >"$dir/tree/deep/new
line and \\ \"quotes\" \377"
  text 100 >"$dir/tree/deep/er/and/still/deeper/text"
  for i in 0 1 2 3 4 5 6 7 8 9; do
    for j in 0 1 2 3 4 5 6 7 8 9; do
      echo "file $i $j has a word word$i$j and one$j" >"$dir/tree/many/$i$j"
    done
    # Blocks end at another place in the text of each of these.
    { head -c "$i" /dev/zero | tr '\0' x; text 700000; } >"$dir/tree/large$i"
  done
  # A word larger than any block, one that fills a block exactly, and one that begins late in it.
  text 3000000 | tr -cd A-Za-z >"$dir/tree/one huge word"
  head -c 262143 /dev/zero | tr '\0' y >"$dir/tree/exact"
  { text 262000; head -c 900000 /dev/zero | tr '\0' z; echo ' end'; } >"$dir/tree/late"
  # None of these is followed or read.
  ln -s . "$dir/tree/loop"
  ln -s ../joined1 "$dir/tree/deep/link"
  ln -s nowhere "$dir/tree/dangling"
  mkfifo "$dir/tree/pipe"

  mkdir -p "$dir/locked/closed"
  echo 'you can read me' >"$dir/locked/open"
  echo 'you cannot' >"$dir/locked/secret"
  echo 'nor this' >"$dir/locked/closed/file"
  chmod 755 "$dir" "$dir/locked"
  chmod 000 "$dir/locked/secret" "$dir/locked/closed"
}

test_counts() {
  expect_status 0 --all "$dir/tree"
  reference "$dir/tree"
  expect_counts 'the tree'
  expect_status 0 --all --readers 1 --quiet "$dir/tree"
  expect_counts 'the tree, one reader'
  [ ! -s "$dir/err" ] || fail '--quiet printed something on stderr'

  # Several paths: counted one by one, also when they overlap.
  expect_status 0 --all "$dir/tree/many" "$dir/tree/joined1" "$dir/tree/many/00"
  reference "$dir/tree/many" "$dir/tree/joined1" "$dir/tree/many/00"
  expect_counts 'several paths'

  expect_status 0 --all "$dir/tree/empty directory"
  [ ! -s "$dir/out" ] || fail 'words in an empty directory'

  if [ -d /usr/share/common-licenses ]; then
    expect_status 0 --all /usr/share/common-licenses
    reference /usr/share/common-licenses
    expect_counts 'the licences'
    expect_status 0 --top 25 /usr/share/common-licenses
    sort -k 1,1nr -k 2,2 "$dir/expected" | head -n 25 |
      while read -r count word; do printf '%10d %s\n' "$count" "$word"; done >"$dir/top"
    cmp -s "$dir/top" "$dir/out" || fail '--top 25 of the licences'
  fi
}

test_errors() {
  reference "$dir/tree/many"
  expect_status 1 --all "$dir/missing" "$dir/tree/many" "$dir/tree/pipe"
  expect_counts 'a tree beside missing paths'
  expect_error "$dir/missing"
  expect_error "$dir/tree/pipe"

  # A file that can be opened but not read, by nobody.
  if [ -f /proc/self/mem ]; then
    expect_status 1 --all /proc/self/mem "$dir/tree/many"
    expect_counts 'a tree beside a file that cannot be read'
    expect_error /proc/self/mem
  fi
}

# Files and directories without permission. Root may read them, so it tests as somebody else.
test_permissions() {
  as_user=
  if [ "$(id -u)" -eq 0 ]; then
    as_user='setpriv --reuid=65534 --regid=65534 --clear-groups'
  fi
  reference "$dir/locked/open"
  # shellcheck disable=SC2086
  if $as_user $emulator "$program" --help >"$dir/out" 2>&1; then
    emulator="$as_user $emulator"
    expect_status 1 --all "$dir/locked"
    emulator=${emulator#"$as_user "}
    expect_counts 'a tree with locked files'
    expect_error "$dir/locked/secret"
    expect_error "$dir/locked/closed"
  else
    echo 'skipped: files without permission (root here, and nobody cannot run the program)'
  fi
}

test_usage() {
  expect_status 0 --help
  expect_status 2
  expect_status 2 --unknown "$dir/tree"
  expect_status 2 --top
  expect_status 2 --top many "$dir/tree"
  expect_status 2 --readers 0 "$dir/tree"
  processors=$CSP_PROCESSORS
  CSP_PROCESSORS=none
  expect_status 2 "$dir/tree"
  CSP_PROCESSORS=$processors
}

test_compare() {
  expect_status 0 --compare "$dir/tree"
  [ "$(grep -c -E '^[0-9]+ +[0-9.]+ s +[0-9.]+ ' "$dir/out")" -eq 2 ] || fail '--compare: no table'
  expect_status 1 --compare "$dir/missing" "$dir/tree/many"
  expect_error "$dir/missing"
  expect_status 0 --progress "$dir/tree/many"
}

CSP_PROCESSORS=1
export CSP_PROCESSORS
wordcount --help >/dev/null || exit 1
make_trees
for CSP_PROCESSORS in 1 2 4 8; do
  test_counts
  test_errors
  test_permissions
  test_usage
  test_compare
done

[ "$failures" -eq 0 ] || exit 1
echo 'wordcount counts as coreutils do'
