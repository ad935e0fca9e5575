# Which Java to use: Spark 4.0 runs on 17 and 21, and not on 8, 11 or 25.

JAVA_WANTED="17 or 21"

java_version() { # path of a java executable; prints its major version, nothing if it has none
  local version
  version=$("$1" -version 2>&1 | sed -nE 's/^[^"]* version "(1\.)?([0-9]+).*/\2/p' | head -n 1)
  printf '%s' "$version"
}

# Every place where a Java may stand, best first: JAVA_HOME, PATH, the system's folder.
java_homes() {
  local found
  if [[ -n ${JAVA_HOME:-} ]]; then printf '%s\n' "$JAVA_HOME"; fi
  if found=$(type -P java); then
    found=$(readlink -f "$found")
    printf '%s\n' "${found%/bin/java}"
  fi
  compgen -G "${GRISTMILL_JVM_FOLDER:-/usr/lib/jvm}/*" || true
}

# Print the home of the first Java that fits; say on stderr which were passed over with --explain.
find_java() {
  local home version seen=:
  while IFS= read -r home; do
    if [[ $seen == *":$home:"* || ! -x $home/bin/java ]]; then continue; fi
    seen+=$home:
    version=$(java_version "$home/bin/java")
    case $version in
      17 | 21)
        printf '%s\n' "$home"
        return 0
        ;;
    esac
    if [[ ${1:-} == --explain ]]; then
      printf '%s is Java %s; Spark needs %s: passed over\n' "$home" "${version:-?}" "$JAVA_WANTED" >&2
    fi
  done < <(java_homes)
  return 1
}

# Print the home of the first JDK that can compile for Java 17; find_java may have found a mere JRE.
find_javac() {
  local home version
  while IFS= read -r home; do
    if [[ ! -x $home/bin/javac || ! -x $home/bin/jar ]]; then continue; fi
    version=$(java_version "$home/bin/java")
    if [[ $version =~ ^[0-9]+$ ]] && ((version >= 17)); then
      printf '%s\n' "$home"
      return 0
    fi
  done < <(java_homes)
  return 1
}
