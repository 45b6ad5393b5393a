# Alarms that need more than one metric.
locals {
  expression_alarms = merge(
    {
      "authorize-errors" = {
        # A refusal is an error too: only when most calls fail is it the authorizer that is broken.
        expression = "IF(invocations >= 20, 100 * errors / invocations, 0)"
        threshold  = 50
        minutes    = 3
        action     = "Most connections fail in the authorizer: read authorize's log; check its secret, the issuer's keys and the API key table."
        metrics = {
          errors      = { namespace = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = var.functions.authorize.name } }
          invocations = { namespace = "AWS/Lambda", metric = "Invocations", dimensions = { FunctionName = var.functions.authorize.name } }
        }
      }
    },
    {
      for key, table in var.tables : "table-throttles/${key}" => {
        expression = "SUM(METRICS())"
        threshold  = 0
        minutes    = 2
        action     = "DynamoDB throttles ${table.name}: look for one hot user, then for the table's and account's limits."
        metrics = {
          for metric in ["ReadThrottleEvents", "WriteThrottleEvents"] : lower(metric) => {
            namespace = "AWS/DynamoDB", metric = metric, dimensions = { TableName = table.name }
          }
        }
      }
    },
    {
      for key, table in var.tables : "table-errors/${key}" => {
        expression = "SUM(METRICS())"
        threshold  = 0
        minutes    = 2
        action     = "DynamoDB itself fails on ${table.name}: check AWS's health page; Herald retries by itself."
        metrics = {
          # SystemErrors is only counted by operation.
          for operation in table.operations : lower(operation) => {
            namespace = "AWS/DynamoDB", metric = "SystemErrors", dimensions = { TableName = table.name, Operation = operation }
          }
        }
      }
    },
  )
}
