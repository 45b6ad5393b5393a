# Alarms on more than one metric.
locals {
  expression_alarms = merge(
    {
      "authorize-errors" = {
        # authorize refuses a credential by raising an error, so refusals are subtracted from the errors. The rest are
        # failures, and a few refusals that CloudWatch counts in the next minute. Only a large share raises the alarm.
        expression = "IF(invocations - FILL(refused, 0) >= 5, 100 * (errors - FILL(refused, 0)) / (invocations - FILL(refused, 0)), 0)"
        threshold  = 50
        minutes    = 3
        within     = 15
        action     = "Most connections fail in authorize: read its log, then check its secret, the issuer's keys and the table of API keys."
        metrics = {
          errors      = { namespace = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = var.functions.authorize } }
          refused     = { namespace = "Herald", metric = "CredentialsRefused", dimensions = { Stage = var.stage } }
          invocations = { namespace = "AWS/Lambda", metric = "Invocations", dimensions = { FunctionName = var.functions.authorize } }
        }
      }
    },
    {
      for key, table in var.tables : "table-throttles/${key}" => {
        expression = "SUM(METRICS())"
        threshold  = 0
        minutes    = 2
        action     = "DynamoDB throttles ${table}: look for one very active user, then check the limits of the table and the account."
        metrics = {
          # Throttled reads delay replays and deliveries, which websocket-latency and queue-age report.
          for metric in ["WriteThrottleEvents"] : lower(metric) => {
            namespace = "AWS/DynamoDB", metric = metric, dimensions = { TableName = table }
          }
        }
      }
    },
  )
}
