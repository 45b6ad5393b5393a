# Earlier versions created API Gateway's logging role with a stage, but the role belongs to the account. Terraform
# removes it from the stage's state without destroying it. infra/account/ manages the role now.
removed {
  from = aws_api_gateway_account.this

  lifecycle {
    destroy = false
  }
}

removed {
  from = aws_iam_role_policy_attachment.account

  lifecycle {
    destroy = false
  }
}

removed {
  from = aws_iam_role.account

  lifecycle {
    destroy = false
  }
}
