# API Gateway writes the access logs of WebSocket APIs with a role. An account has one such role per
# Region.
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

# AWS provides this policy for the role. API Gateway checks that the role has all permissions of the
# policy, on all log groups.
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
