# API Gateway writes a WebSocket API's access logs with one role per account and Region.
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

resource "aws_iam_role" "account" {
  count = var.manage_api_gateway_account ? 1 : 0

  name               = "${var.name}-api-gateway-logs"
  assume_role_policy = data.aws_iam_policy_document.assume_role.json
}

# AWS's own policy for this role: API Gateway checks that it holds all of it, on every log group.
resource "aws_iam_role_policy_attachment" "account" {
  count = var.manage_api_gateway_account ? 1 : 0

  role       = aws_iam_role.account[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}

resource "aws_api_gateway_account" "this" {
  count = var.manage_api_gateway_account ? 1 : 0

  cloudwatch_role_arn = aws_iam_role.account[0].arn

  depends_on = [aws_iam_role_policy_attachment.account]
}
