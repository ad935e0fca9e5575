"""spark-submit entry point of the job ``report_quality``: flags in, one JSON line out.

The line is printed whatever was found; the exit code is 1 if a limit of error was exceeded.
"""

from pipelines.cli import parse_params, print_result, report_errors
from pipelines.report_quality import ReportQualityParams, close_gate, run, say_warnings
from pipelines.spark.session import spark_session

if __name__ == "__main__":
    params = parse_params(ReportQualityParams)
    with report_errors():
        result = run(spark_session("report_quality", params.root), params)
        say_warnings(result)
        # spark-submit joins stderr to stdout: nothing may follow the line
        print_result(result)
        close_gate(result)
