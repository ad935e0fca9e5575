# The environment of every command of this project; sourced by the scripts in infra/bin.
# What belongs to this machine stands here and in infra/spark; code never reads it from elsewhere.

GRISTMILL_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
export GRISTMILL_ROOT
source "$GRISTMILL_ROOT/infra/java.sh"

# Python: only the project's own environment
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV CONDA_PREFIX
# without compiled files each start of TensorFlow takes ten seconds more
unset PYTHONDONTWRITEBYTECODE
export PYTHONNOUSERSITE=1
export UV_PROJECT_ENVIRONMENT=$GRISTMILL_ROOT/build/venv
export PATH=$UV_PROJECT_ENVIRONMENT/bin:$GRISTMILL_ROOT/build/tools/uv/bin:$PATH
# uv and Node trust their own list of authorities only; a company's proxy is in the system's list
if [[ -s /etc/ssl/certs/ca-certificates.crt ]]; then
  export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}
  export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}
fi
export RUFF_CACHE_DIR=$GRISTMILL_ROOT/build/ruff
export HYPOTHESIS_STORAGE_DIRECTORY=$GRISTMILL_ROOT/build/hypothesis
export PYRIGHT_PYTHON_CACHE_DIR=$GRISTMILL_ROOT/build/tools/pyright PYRIGHT_PYTHON_IGNORE_WARNINGS=1

# Spark: the one that pyspark brings, with the settings and jars that set-up wrote
unset SPARK_HOME HADOOP_CONF_DIR YARN_CONF_DIR
export SPARK_CONF_DIR=$GRISTMILL_ROOT/build/spark-conf
export PYSPARK_PYTHON=$UV_PROJECT_ENVIRONMENT/bin/python
export PYSPARK_DRIVER_PYTHON=$PYSPARK_PYTHON
export SPARK_LOCAL_IP=127.0.0.1
LOG_STORE_JAR=$GRISTMILL_ROOT/build/jars/gristmill-log-store.jar
# S3A and Delta's log store for it; there after infra/bin/setup --storage only
STORAGE_JARS=$GRISTMILL_ROOT/build/storage
S3_LOG_STORE_JAR=$STORAGE_JARS/gristmill-s3-log-store.jar
if JAVA_HOME=$(find_java); then export JAVA_HOME; else unset JAVA_HOME; fi

# One thread for each rank and Spark task: more of them only wait for each other's cores
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMEXPR_NUM_THREADS=1
export TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1

# oneDNN sums in an order of its own choosing: off, so that the same run gives the same figures
export TF_ENABLE_ONEDNN_OPTS=0

# Quiet, and nothing is reported to anybody
export KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=2 MPLBACKEND=Agg
export DO_NOT_TRACK=1 GX_ANALYTICS_ENABLED=false MLFLOW_DISABLE_TELEMETRY=true
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
