# Offline: the real provider, which never calls AWS.
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  aws_account_id = "123456789012"
  aws_region     = "eu-central-1"
}

run "role" {
  command = plan

  assert {
    condition     = aws_iam_role.logs.name == "api-gateway-logs-eu-central-1"
    error_message = "The role belongs to an account and Region, so its name must not contain Herald or a stage."
  }

  assert {
    condition     = jsondecode(aws_iam_role.logs.assume_role_policy).Statement[0].Principal == { Service = "apigateway.amazonaws.com" }
    error_message = "Only API Gateway may assume the role."
  }

  assert {
    condition     = aws_iam_role_policy_attachment.logs.policy_arn == "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
    error_message = "The role must have AWS's managed policy and no other policy."
  }
}

run "limited_roles" {
  command = plan

  variables {
    role_path                = "/platform/"
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
  }

  assert {
    condition     = aws_iam_role.logs.path == "/platform/" && aws_iam_role.logs.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
    error_message = "The role must have the given path and permissions boundary."
  }
}

run "no_account" {
  command = plan

  variables {
    aws_account_id = "production"
    aws_region     = "cn-north-1"
  }

  expect_failures = [var.aws_account_id, var.aws_region]
}
