# API Gateway writes the access logs of REST and WebSocket APIs with one role per account and Region. All APIs of the
# account and Region need this role, so no stage owns it, and it is never destroyed.
data "aws_partition" "current" {}

data "aws_iam_policy_document" "assume_role" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["apigateway.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "logs" {
  name                 = "api-gateway-logs-${var.aws_region}"
  description          = "API Gateway writes the access logs of all APIs in ${var.aws_region}"
  path                 = var.role_path
  assume_role_policy   = data.aws_iam_policy_document.assume_role.json
  permissions_boundary = var.permissions_boundary_arn

  lifecycle {
    prevent_destroy = true
  }
}

# AWS's own policy for this role: API Gateway checks that the role has all of these rights, on all log groups.
resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.logs.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_api_gateway_account" "this" {
  cloudwatch_role_arn = aws_iam_role.logs.arn

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [aws_iam_role_policy_attachment.logs]
}
