locals {
  name   = "${var.shared.name_prefix}-${var.name}"
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
  name                 = local.name
  path                 = var.shared.role.path
  assume_role_policy   = data.aws_iam_policy_document.assume_role.json
  permissions_boundary = var.shared.role.permissions_boundary_arn
}

# The permissions that every function needs to run.
resource "aws_iam_role_policy" "runtime" {
  name   = "runtime"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.runtime.json
}

# The permissions for the function's task. They are declared in the root module, in the function's
# own file.
resource "aws_iam_role_policy" "rights" {
  name   = "rights"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.rights.json
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${local.name}"
  kms_key_id        = var.shared.keys.logs
  retention_in_days = var.shared.log_retention_days
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_173:The environment has no secrets, and Lambda encrypts it with its own key
  function_name    = local.name
  description      = var.description
  architectures    = [var.shared.architecture]
  filename         = var.shared.package_path
  handler          = var.handler
  memory_size      = var.size.memory_size
  role             = aws_iam_role.this.arn
  runtime          = var.shared.runtime
  source_code_hash = filebase64sha256(var.shared.package_path)
  timeout          = var.size.timeout

  reserved_concurrent_executions = coalesce(var.size.reserved_concurrency, -1) # -1: none

  # After a function is deleted, Lambda deletes its network interfaces later, and needs the role, which no longer exists
  # by then. The interfaces could remain and prevent the deletion of the function's security groups, so they are moved
  # to the VPC's default security group first.
  replace_security_groups_on_destroy = local.in_vpc ? true : null

  environment {
    variables = merge(var.shared.environment, var.environment, var.shared.environment_overrides)
  }

  # The function filters its own lines. Lambda's lines about each call (START, END, REPORT) have the level INFO and are
  # not written; those about failures are. Its metrics have the same figures.
  logging_config {
    application_log_level = "DEBUG"
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.this.name
    system_log_level      = "WARN"
  }

  tracing_config {
    mode = var.shared.tracing ? "Active" : "PassThrough"
  }

  dynamic "vpc_config" {
    for_each = local.in_vpc ? [true] : []

    content {
      security_group_ids = var.vpc_security_group_ids
      subnet_ids         = var.vpc_subnet_ids
    }
  }

  # Lambda checks the VPC permissions when it creates the function, and uses them until the function is deleted. The
  # `rights` policy may be created later: deliver's policy names the queue, which takes long to create.
  depends_on = [aws_iam_role_policy.runtime]
}

resource "aws_lambda_permission" "this" {
  for_each = var.invokers

  statement_id  = each.key
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  principal     = each.value.principal
  source_arn    = each.value.source_arn

  # Nothing invokes the function before it has its rights, or after it has lost them.
  depends_on = [aws_iam_role_policy.rights]
}

resource "aws_lambda_event_source_mapping" "queue" {
  for_each = var.queues

  batch_size                         = each.value.batch_size
  event_source_arn                   = each.value.arn
  function_name                      = aws_lambda_function.this.arn
  function_response_types            = ["ReportBatchItemFailures"]
  maximum_batching_window_in_seconds = each.value.batching_seconds

  scaling_config {
    maximum_concurrency = each.value.maximum_concurrency
  }

  # Lambda checks the role's permissions on the queue when it creates the mapping.
  depends_on = [aws_iam_role_policy.rights]
}
