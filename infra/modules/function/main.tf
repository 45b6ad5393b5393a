locals {
  in_vpc = length(var.vpc_subnet_ids) > 0
}

data "aws_iam_policy_document" "assume_role" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = var.name
  assume_role_policy = data.aws_iam_policy_document.assume_role.json
}

# What running takes: the same for every function.
resource "aws_iam_role_policy" "runtime" {
  name   = "runtime"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.runtime.json
}

# What this function's task takes: shown in the root module, in the function's own file.
resource "aws_iam_role_policy" "rights" {
  name   = "rights"
  role   = aws_iam_role.this.id
  policy = var.policy
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  kms_key_id        = var.logs_key_arn
  retention_in_days = var.log_retention_days
}

resource "aws_lambda_function" "this" {
  function_name    = var.name
  description      = var.description
  architectures    = ["x86_64"]
  filename         = var.package_path
  handler          = var.handler
  kms_key_arn      = var.environment_key_arn
  memory_size      = var.memory_size
  role             = aws_iam_role.this.arn
  runtime          = var.runtime
  source_code_hash = filebase64sha256(var.package_path)
  timeout          = var.timeout

  environment {
    variables = var.environment
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  tracing_config {
    mode = var.tracing ? "Active" : "PassThrough"
  }

  dynamic "vpc_config" {
    for_each = local.in_vpc ? [true] : []

    content {
      security_group_ids = var.vpc_security_group_ids
      subnet_ids         = var.vpc_subnet_ids
    }
  }

  # Lambda checks the VPC rights when the function is made. Not `rights`: deliver's waits for the queue.
  depends_on = [aws_iam_role_policy.runtime]
}

resource "aws_lambda_permission" "this" {
  for_each = var.invokers

  statement_id  = each.key
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  principal     = each.value.principal
  source_arn    = each.value.source_arn
}

resource "aws_lambda_event_source_mapping" "queue" {
  for_each = var.queue == null ? {} : { this = var.queue }

  batch_size              = each.value.batch_size
  event_source_arn        = each.value.arn
  function_name           = aws_lambda_function.this.arn
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = each.value.maximum_concurrency
  }

  # Lambda tries the role on the queue when the mapping is made.
  depends_on = [aws_iam_role_policy.rights]
}
