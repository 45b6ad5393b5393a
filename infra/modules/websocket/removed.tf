# API Gateway's logging role, which earlier versions created with a stage, is the whole account's: Terraform forgets it
# and leaves it in place. infra/account/ manages it now.
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
