# Offline: the real provider, no call to AWS.
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  name                = "herald-test-deliver"
  description         = "A function"
  handler             = "app.deliver"
  package_path        = "main.tf" # only hashed here
  runtime             = "python3.11"
  memory_size         = 512
  timeout             = 10
  environment         = { HERALD_STAGE = "test" }
  environment_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/environment"
  logs_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/logs"
  log_retention_days  = 30
  policy              = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
}

override_resource {
  target = aws_iam_role.this
  values = { arn = "arn:aws:iam::123456789012:role/herald-test-deliver" }
}

override_resource {
  target = aws_cloudwatch_log_group.this
  values = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/herald-test-deliver" }
}

override_resource {
  target = aws_lambda_function.this
  values = {
    arn        = "arn:aws:lambda:eu-central-1:123456789012:function:herald-test-deliver"
    invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/x/invocations"
  }
}

override_resource {
  target = aws_iam_role_policy.rights
}

override_resource {
  target = aws_iam_role_policy.runtime
}

override_resource {
  target = aws_lambda_permission.this
}

override_resource {
  target = aws_lambda_event_source_mapping.queue
}

run "what_running_takes" {
  assert {
    condition = jsondecode(aws_iam_role_policy.runtime.policy).Statement == [
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:PutLogEvents", "logs:CreateLogStream"]
        Resource = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/herald-test-deliver:*"
      },
      {
        Sid      = "DecryptEnvironment"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = "arn:aws:kms:eu-central-1:123456789012:key/environment"
      },
    ]
    error_message = "Running takes its own log group and the environment key, nothing else."
  }

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy).Statement == [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
    error_message = "Only Lambda may take the role."
  }

  assert {
    condition     = aws_iam_role_policy.rights.policy == var.policy
    error_message = "The rights of the task must be attached as given."
  }

  assert {
    condition     = aws_lambda_function.this.kms_key_arn == var.environment_key_arn && aws_cloudwatch_log_group.this.kms_key_id == var.logs_key_arn
    error_message = "Environment and logs must be encrypted with their keys."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.retention_in_days == 30 && aws_lambda_function.this.logging_config[0].log_group == "/aws/lambda/herald-test-deliver"
    error_message = "The function must log into its own group, which forgets."
  }

  assert {
    condition     = length(aws_lambda_event_source_mapping.queue) == 0 && length(aws_lambda_permission.this) == 0
    error_message = "Without queue and invokers, nothing may call the function."
  }
}

run "with_everything" {
  variables {
    queue = {
      arn                 = "arn:aws:sqs:eu-central-1:123456789012:generation-complete-queue"
      batch_size          = 10
      maximum_concurrency = 7
    }
    invokers = {
      websocket = {
        principal  = "apigateway.amazonaws.com"
        source_arn = "arn:aws:execute-api:eu-central-1:123456789012:abc/test/$connect"
      }
    }
    vpc_subnet_ids         = ["subnet-1"]
    vpc_security_group_ids = ["sg-1"]
    tracing                = true
  }

  assert {
    condition     = aws_lambda_event_source_mapping.queue["this"].function_response_types == toset(["ReportBatchItemFailures"])
    error_message = "One bad message must fail alone: ReportBatchItemFailures."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.queue["this"].scaling_config[0].maximum_concurrency == 7
    error_message = "The queue must be held to maximum_concurrency."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.queue["this"].batch_size == 10
    error_message = "The batch size must be passed on."
  }

  assert {
    condition = [
      for permission in aws_lambda_permission.this :
      [permission.action, permission.principal, permission.source_arn]
    ] == [["lambda:InvokeFunction", "apigateway.amazonaws.com", "arn:aws:execute-api:eu-central-1:123456789012:abc/test/$connect"]]
    error_message = "A service may invoke the function from its one source only."
  }

  assert {
    condition     = aws_lambda_function.this.vpc_config[0].subnet_ids == toset(["subnet-1"])
    error_message = "The function must be in the given subnets."
  }

  assert {
    condition = {
      for statement in slice(jsondecode(aws_iam_role_policy.runtime.policy).Statement, 2, 5) :
      statement.Sid => join(" ", [statement.Effect, statement.Resource, try(statement.Condition.Null["lambda:SourceFunctionArn"], "")])
      } == {
      AttachToVpc   = "Allow * "
      NotForTheCode = "Deny * false"
      SendTraces    = "Allow * "
    }
    error_message = "The VPC rights are for the Lambda service, and denied to the function's code."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.runtime.policy).Statement[4].Action == ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    error_message = "Tracing takes the two X-Ray actions."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.runtime.policy).Statement[2].Action == jsondecode(aws_iam_role_policy.runtime.policy).Statement[3].Action
    error_message = "What the Lambda service may do in the VPC is what the code may not."
  }
}

run "subnets_need_security_groups" {
  command = plan

  variables {
    vpc_subnet_ids = ["subnet-1"]
  }

  expect_failures = [var.vpc_security_group_ids]
}

run "handlers_are_in_app" {
  command = plan

  variables {
    handler = "chalicelib.deliver.handler"
  }

  expect_failures = [var.handler]
}
