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
  name        = "deliver"
  description = "A function"
  handler     = "app.deliver"
  size        = { memory_size = 512, timeout = 10 }
  shared = {
    name_prefix           = "herald-test"
    environment           = { HERALD_STAGE = "test", HERALD_LOG_LEVEL = "INFO" }
    environment_overrides = { AWS_ENDPOINT_URL_SNS = "https://sns.example.com", HERALD_LOG_LEVEL = "DEBUG" }
    architecture          = "arm64"
    keys = {
      logs      = "arn:aws:kms:eu-central-1:123456789012:key/logs"
      messaging = "arn:aws:kms:eu-central-1:123456789012:key/messaging"
      storage   = "arn:aws:kms:eu-central-1:123456789012:key/storage"
    }
    log_retention_days = 30
    package_path       = "main.tf" # only hashed here
    role               = { path = "/", permissions_boundary_arn = null }
    runtime            = "python3.13"
    tracing            = false
  }
  environment = { HERALD_INBOX_TABLE = "inbox" }
  policy      = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"Own\",\"Effect\":\"Allow\",\"Action\":\"sns:Publish\",\"Resource\":\"topic\"}]}"
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
    ]
    error_message = "To run, a function must have permissions for its own log group, and no others."
  }

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy).Statement == [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
    error_message = "Only Lambda may assume the role."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.rights.policy) == jsondecode(var.policy)
    error_message = "The permissions for the task must be attached as they are given."
  }

  assert {
    condition = aws_lambda_function.this.environment[0].variables == tomap({
      AWS_ENDPOINT_URL_SNS = "https://sns.example.com"
      HERALD_INBOX_TABLE   = "inbox"
      HERALD_LOG_LEVEL     = "DEBUG"
      HERALD_STAGE         = "test"
    })
    error_message = "The environment must include the shared variables and the function's own, and the overrides must take precedence."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.kms_key_id == var.shared.keys.logs
    error_message = "The log must be encrypted with its key."
  }

  assert {
    condition     = aws_lambda_function.this.architectures == tolist(["arm64"])
    error_message = "The function must run on the processors for which the package was built."
  }

  assert {
    condition = alltrue([
      aws_lambda_function.this.logging_config[0].log_format == "JSON",
      aws_lambda_function.this.logging_config[0].system_log_level == "WARN",
      aws_lambda_function.this.logging_config[0].application_log_level == "DEBUG",
    ])
    error_message = "Lambda must not write its own lines about every call, and must not drop the function's lines."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.retention_in_days == 30 && aws_lambda_function.this.logging_config[0].log_group == "/aws/lambda/herald-test-deliver"
    error_message = "The function must log to its own group, whose entries must be deleted after 30 days."
  }

  assert {
    condition     = aws_iam_role.this.path == "/" && aws_iam_role.this.permissions_boundary == null
    error_message = "The role must have no permissions boundary by default."
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == -1 && aws_lambda_function.this.replace_security_groups_on_destroy == null
    error_message = "By default, no concurrency is reserved; outside a VPC there are no security groups."
  }

  assert {
    condition     = length(aws_lambda_event_source_mapping.queue) == 0 && length(aws_lambda_permission.this) == 0
    error_message = "Without a queue and invokers, nothing may invoke the function."
  }
}

run "with_everything" {
  variables {
    queues = {
      events = {
        arn                 = "arn:aws:sqs:eu-central-1:123456789012:generation-complete-queue"
        batch_size          = 10
        maximum_concurrency = 7
      }
      slow = {
        arn                 = "arn:aws:sqs:eu-central-1:123456789012:slow-queue"
        batch_size          = 5
        maximum_concurrency = 2
        batching_seconds    = 1
      }
    }
    invokers = {
      websocket = {
        principal  = "apigateway.amazonaws.com"
        source_arn = "arn:aws:execute-api:eu-central-1:123456789012:abc/test/$connect"
      }
    }
    vpc_subnet_ids         = ["subnet-1"]
    vpc_security_group_ids = ["sg-1"]
    size                   = { memory_size = 512, timeout = 10, reserved_concurrency = 9 }
    shared = merge(var.shared, {
      role    = { path = "/herald/", permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary" }
      tracing = true
    })
  }

  assert {
    condition     = aws_iam_role.this.path == "/herald/" && aws_iam_role.this.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
    error_message = "The role must have the given path and permissions boundary."
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == 9
    error_message = "The function must have the given reserved concurrency."
  }

  assert {
    condition     = aws_lambda_function.this.replace_security_groups_on_destroy == true
    error_message = "A destroyed function must not keep the VPC's security groups in use."
  }

  assert {
    condition     = alltrue([for mapping in aws_lambda_event_source_mapping.queue : mapping.function_response_types == toset(["ReportBatchItemFailures"])])
    error_message = "An invalid message must not make its whole batch fail: set ReportBatchItemFailures."
  }

  assert {
    condition     = { for name, mapping in aws_lambda_event_source_mapping.queue : name => mapping.scaling_config[0].maximum_concurrency } == { events = 7, slow = 2 }
    error_message = "Each queue must be limited to its maximum_concurrency."
  }

  assert {
    condition     = { for name, mapping in aws_lambda_event_source_mapping.queue : name => [mapping.batch_size, mapping.maximum_batching_window_in_seconds] } == { events = [10, 0], slow = [5, 1] }
    error_message = "The batch size and the batching window must be passed on; by default, Lambda must not wait for a batch to fill."
  }

  assert {
    condition = [
      for permission in aws_lambda_permission.this :
      [permission.action, permission.principal, permission.source_arn]
    ] == [["lambda:InvokeFunction", "apigateway.amazonaws.com", "arn:aws:execute-api:eu-central-1:123456789012:abc/test/$connect"]]
    error_message = "A service may invoke the function from one source only."
  }

  assert {
    condition     = aws_lambda_function.this.vpc_config[0].subnet_ids == toset(["subnet-1"])
    error_message = "The function must be in the given subnets."
  }

  assert {
    condition = {
      for statement in slice(jsondecode(aws_iam_role_policy.runtime.policy).Statement, 1, 4) :
      statement.Sid => join(" ", [statement.Effect, statement.Resource, try(statement.Condition.Null["lambda:SourceFunctionArn"], "")])
      } == {
      AttachToVpc   = "Allow * "
      NotForTheCode = "Deny * false"
      SendTraces    = "Allow * "
    }
    error_message = "The VPC permissions must be for the Lambda service, and denied to the function's code."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.runtime.policy).Statement[3].Action == ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    error_message = "Tracing needs the two X-Ray actions."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.runtime.policy).Statement[1].Action == jsondecode(aws_iam_role_policy.runtime.policy).Statement[2].Action
    error_message = "The code must be denied every action that the Lambda service may use in the VPC."
  }
}

run "keys_through_services" {
  variables {
    decrypt = { messaging = ["sqs"], storage = ["dynamodb", "secretsmanager"] }
    encrypt = { messaging = ["sns"] }
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.rights.policy).Statement == [
      {
        Sid      = "Own"
        Effect   = "Allow"
        Action   = "sns:Publish"
        Resource = "topic"
      },
      {
        Sid       = "DecryptMessaging"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = "arn:aws:kms:eu-central-1:123456789012:key/messaging"
        Condition = { StringEquals = { "kms:ViaService" = "sqs.eu-central-1.amazonaws.com" } }
      },
      {
        Sid       = "DecryptStorage"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = "arn:aws:kms:eu-central-1:123456789012:key/storage"
        Condition = { StringEquals = { "kms:ViaService" = ["dynamodb.eu-central-1.amazonaws.com", "secretsmanager.eu-central-1.amazonaws.com"] } }
      },
      {
        Sid       = "EncryptMessaging"
        Effect    = "Allow"
        Action    = ["kms:GenerateDataKey", "kms:Decrypt"]
        Resource  = "arn:aws:kms:eu-central-1:123456789012:key/messaging"
        Condition = { StringEquals = { "kms:ViaService" = "sns.eu-central-1.amazonaws.com" } }
      },
    ]
    error_message = "A function may use a declared key through the declared services, and in no other way."
  }

  assert {
    condition     = output.policy == aws_iam_role_policy.rights.policy
    error_message = "The output must show the attached permissions."
  }
}

run "only_keys_for_data" {
  command = plan

  variables {
    decrypt = { environment = ["dynamodb"] }
  }

  expect_failures = [var.decrypt]
}

run "only_services_of_the_key" {
  command = plan

  variables {
    encrypt = { messaging = ["dynamodb"] }
  }

  expect_failures = [var.encrypt]
}

run "no_key_without_a_service" {
  command = plan

  variables {
    decrypt = { storage = [] }
    encrypt = { messaging = [] }
  }

  expect_failures = [var.decrypt, var.encrypt]
}

run "subnets_need_security_groups" {
  command = plan

  variables {
    vpc_subnet_ids = ["subnet-1"]
  }

  expect_failures = [var.vpc_security_group_ids]
}

run "a_queue_is_not_throttled" {
  command = plan

  variables {
    size = { memory_size = 512, timeout = 10, reserved_concurrency = 6 }
    queues = {
      events = {
        arn                 = "arn:aws:sqs:eu-central-1:123456789012:generation-complete-queue"
        batch_size          = 10
        maximum_concurrency = 5
      }
      slow = {
        arn                 = "arn:aws:sqs:eu-central-1:123456789012:slow-queue"
        batch_size          = 10
        maximum_concurrency = 2
      }
    }
  }

  expect_failures = [var.queues]
}

run "a_reservation_is_at_least_one" {
  command = plan

  variables {
    size = { memory_size = 512, timeout = 10, reserved_concurrency = 0 }
  }

  expect_failures = [var.size]
}

run "handlers_are_in_app" {
  command = plan

  variables {
    handler = "chalicelib.deliver.handler"
  }

  expect_failures = [var.handler]
}
