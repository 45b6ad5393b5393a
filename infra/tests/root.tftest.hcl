# Offline: the real provider, which never calls AWS.
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

# The outputs of the shared modules are replaced by short ARNs, so that a permission can be written
# as "action resource".
override_module {
  target = module.keys
  outputs = {
    logs_key_arn      = "arn:aws:test:eu-central-1:123456789012:key/logs"
    messaging_key_arn = "arn:aws:test:eu-central-1:123456789012:key/messaging"
    storage_key_arn   = "arn:aws:test:eu-central-1:123456789012:key/storage"
  }
}

override_module {
  target = module.messaging
  outputs = {
    error_topic_arn    = "arn:aws:test:eu-central-1:123456789012:topic/error-notifications"
    progress_queue_arn = "arn:aws:test:eu-central-1:123456789012:queue/generation-complete-progress-queue"
    queue_arn          = "arn:aws:test:eu-central-1:123456789012:queue/generation-complete-queue"
    topic_arn          = "arn:aws:test:eu-central-1:123456789012:topic/generation-complete"
  }
}

override_module {
  target = module.storage
  outputs = {
    api_keys_table_arn    = "arn:aws:test:eu-central-1:123456789012:table/api-keys"
    connections_table_arn = "arn:aws:test:eu-central-1:123456789012:table/connections"
    database_secret_arn   = "arn:aws:test:eu-central-1:123456789012:secret/database"
    inbox_table_arn       = "arn:aws:test:eu-central-1:123456789012:table/inbox"
    jwt_secret_arn        = "arn:aws:test:eu-central-1:123456789012:secret/jwt"
    providers_secret_arn  = "arn:aws:test:eu-central-1:123456789012:secret/providers"
    webhook_secret_arn    = "arn:aws:test:eu-central-1:123456789012:secret/webhook"
    secrets               = { database = "database", jwt = "jwt", providers = "providers", webhook = "webhook" }
  }
}

override_module {
  target = module.outputs
  outputs = {
    bucket_arn             = "arn:aws:test:eu-central-1:123456789012:bucket/outputs"
    bucket_name            = "outputs"
    dead_letter_queue_name = "generation-complete-keep-dlq"
    dead_letter_queue_url  = "https://sqs/keep-dlq"
    key_arn                = "arn:aws:test:eu-central-1:123456789012:key/outputs"
    queue_arn              = "arn:aws:test:eu-central-1:123456789012:queue/generation-complete-keep"
    queue_name             = "generation-complete-keep"
    queue_url              = "https://sqs/keep"
    secret_arn             = "arn:aws:test:eu-central-1:123456789012:secret/outputs"
    table_arn              = "arn:aws:test:eu-central-1:123456789012:table/outputs"
    table_name             = "outputs"
  }
}

override_module {
  target = module.websocket
  outputs = {
    api_id         = "abc123"
    authorizer_arn = "arn:aws:test:eu-central-1:123456789012:api/authorizers/authorizer"
    execution_arn  = "arn:aws:test:eu-central-1:123456789012:api"
  }
}

override_module {
  target = module.callback_api
  outputs = {
    api_id        = "def456"
    execution_arn = "arn:aws:test:eu-central-1:123456789012:callback-api"
  }
}

override_module {
  target  = module.websocket_domain
  outputs = { target = { name = "d-1.execute-api.eu-central-1.amazonaws.com", hosted_zone_id = "Z1" } }
}

override_module {
  target  = module.callback_domain
  outputs = { target = { name = "d-2.execute-api.eu-central-1.amazonaws.com", hosted_zone_id = "Z1" } }
}

override_module {
  target = module.relay_schedule
}

override_module {
  target = module.reconcile_schedule
}

override_module {
  target = module.alarms
}

variables {
  aws_account_id = "123456789012"
  aws_region     = "eu-central-1"

  stage        = "test"
  package_path = "main.tf" # the test only needs a file to hash
  jwt_issuer   = "https://login.example.com"
}

run "rights_and_addresses" {
  command = plan

  # Each permission as "action resource". For a key, the services through which it may be used are
  # added.
  assert {
    condition = {
      for name, document in {
        authorize  = module.authorize.policy
        callback   = module.callback.policy
        connect    = module.connect.policy
        deliver    = module.deliver.policy
        disconnect = module.disconnect.policy
        message    = module.message.policy
        reconcile  = module.reconcile.policy
        relay      = module.relay.policy
        } : name => toset(flatten([
          for statement in jsondecode(replace(document, "arn:aws:test:eu-central-1:123456789012:", "")).Statement : [
            for pair in setproduct(flatten([statement.Effect]), flatten([statement.Action]), flatten([statement.Resource])) :
            join(" ", concat(pair, try(flatten([statement.Condition.StringEquals["kms:ViaService"]]), [])))
          ]
      ]))
      } == {
      authorize = toset([
        "Allow dynamodb:GetItem table/api-keys",
        "Allow kms:Decrypt key/storage dynamodb.eu-central-1.amazonaws.com secretsmanager.eu-central-1.amazonaws.com",
        "Allow secretsmanager:GetSecretValue secret/jwt",
      ])
      callback = toset([
        "Allow kms:Decrypt key/messaging sns.eu-central-1.amazonaws.com",
        "Allow kms:Decrypt key/storage secretsmanager.eu-central-1.amazonaws.com",
        "Allow kms:GenerateDataKey key/messaging sns.eu-central-1.amazonaws.com",
        "Allow lambda:InvokeFunction arn:aws:lambda:eu-central-1:123456789012:function:herald-test-reconcile",
        "Allow secretsmanager:GetSecretValue secret/database",
        "Allow secretsmanager:GetSecretValue secret/providers",
        "Allow secretsmanager:GetSecretValue secret/webhook",
        "Allow sns:Publish topic/error-notifications",
        "Allow sns:Publish topic/generation-complete",
      ])
      connect = toset([
        "Allow dynamodb:UpdateItem table/connections",
        "Allow execute-api:ManageConnections api/test/DELETE/@connections/*",
        "Allow execute-api:ManageConnections api/test/POST/@connections/*",
        "Allow kms:Decrypt key/storage dynamodb.eu-central-1.amazonaws.com",
      ])
      deliver = toset([
        "Allow dynamodb:BatchGetItem table/connections",
        "Allow dynamodb:BatchWriteItem table/inbox",
        "Allow dynamodb:UpdateItem table/connections",
        "Allow execute-api:ManageConnections api/test/DELETE/@connections/*",
        "Allow execute-api:ManageConnections api/test/POST/@connections/*",
        "Allow kms:Decrypt key/messaging sqs.eu-central-1.amazonaws.com",
        "Allow kms:Decrypt key/storage dynamodb.eu-central-1.amazonaws.com",
        "Allow sqs:DeleteMessage queue/generation-complete-progress-queue",
        "Allow sqs:DeleteMessage queue/generation-complete-queue",
        "Allow sqs:GetQueueAttributes queue/generation-complete-progress-queue",
        "Allow sqs:GetQueueAttributes queue/generation-complete-queue",
        "Allow sqs:ReceiveMessage queue/generation-complete-progress-queue",
        "Allow sqs:ReceiveMessage queue/generation-complete-queue",
      ])
      disconnect = toset([
        "Allow dynamodb:UpdateItem table/connections",
        "Allow kms:Decrypt key/storage dynamodb.eu-central-1.amazonaws.com",
      ])
      message = toset([
        "Allow dynamodb:GetItem table/connections",
        "Allow dynamodb:Query table/inbox",
        "Allow dynamodb:UpdateItem table/connections",
        "Allow execute-api:ManageConnections api/test/DELETE/@connections/*",
        "Allow execute-api:ManageConnections api/test/POST/@connections/*",
        "Allow kms:Decrypt key/storage dynamodb.eu-central-1.amazonaws.com secretsmanager.eu-central-1.amazonaws.com",
        "Allow lambda:InvokeFunction arn:aws:lambda:eu-central-1:123456789012:function:herald-test-reconcile",
        "Allow secretsmanager:GetSecretValue secret/jwt",
      ])
      reconcile = toset([
        "Allow kms:Decrypt key/messaging sns.eu-central-1.amazonaws.com",
        "Allow kms:Decrypt key/storage secretsmanager.eu-central-1.amazonaws.com",
        "Allow kms:GenerateDataKey key/messaging sns.eu-central-1.amazonaws.com",
        "Allow secretsmanager:GetSecretValue secret/database",
        "Allow secretsmanager:GetSecretValue secret/providers",
        "Allow sns:Publish topic/error-notifications",
        "Allow sns:Publish topic/generation-complete",
      ])
      relay = toset([
        "Allow dynamodb:BatchWriteItem table/inbox",
        "Allow kms:Decrypt key/messaging sns.eu-central-1.amazonaws.com",
        "Allow kms:Decrypt key/storage dynamodb.eu-central-1.amazonaws.com secretsmanager.eu-central-1.amazonaws.com",
        "Allow kms:GenerateDataKey key/messaging sns.eu-central-1.amazonaws.com",
        "Allow secretsmanager:GetSecretValue secret/database",
        "Allow sns:Publish topic/error-notifications",
        "Allow sns:Publish topic/generation-complete",
      ])
    }
    error_message = "A function's permissions have changed. Each function must have exactly the permissions that it needs."
  }

  assert {
    condition     = output.management_endpoint == "https://abc123.execute-api.eu-central-1.amazonaws.com/test"
    error_message = "Functions must post through the API's own endpoint and stage."
  }

  assert {
    condition     = output.websocket_url == "wss://abc123.execute-api.eu-central-1.amazonaws.com/test"
    error_message = "Clients must connect over wss."
  }

  assert {
    condition     = output.callback_url == "https://def456.execute-api.eu-central-1.amazonaws.com/callbacks/generations"
    error_message = "Herald's own payload must be posted to /callbacks/generations."
  }

  assert {
    condition     = output.callbacks_url == "https://def456.execute-api.eu-central-1.amazonaws.com/callbacks"
    error_message = "Each provider must have an address under /callbacks."
  }

  assert {
    condition     = length(aws_sns_topic_subscription.sagemaker) == 0
    error_message = "Without SageMaker topics, nothing may be subscribed."
  }

  assert {
    condition     = output.outputs_table == "" && output.keep_queue_url == "" && !contains(keys(output.function_names), "keep")
    error_message = "Outputs are kept only if keep_outputs is set."
  }
}

run "kept_outputs" {
  command = plan

  variables {
    keep_outputs = true
  }

  assert {
    condition = {
      for name, document in {
        callback  = module.callback.policy
        keep      = module.keep[0].policy
        link      = module.link[0].policy
        reconcile = module.reconcile.policy
        relay     = module.relay.policy
        } : name => toset(flatten([
          for statement in jsondecode(replace(document, "arn:aws:test:eu-central-1:123456789012:", "")).Statement : [
            for pair in setproduct(flatten([statement.Effect]), flatten([statement.Action]), flatten([statement.Resource])) :
            join(" ", concat(pair, try(flatten([statement.Condition.StringEquals["kms:ViaService"]]), [])))
          ]
      ]))
      } == {
      callback = toset([
        "Allow dynamodb:PutItem table/outputs",
        "Allow kms:Decrypt key/messaging sns.eu-central-1.amazonaws.com",
        "Allow kms:Decrypt key/storage dynamodb.eu-central-1.amazonaws.com secretsmanager.eu-central-1.amazonaws.com",
        "Allow kms:GenerateDataKey key/messaging sns.eu-central-1.amazonaws.com",
        "Allow lambda:InvokeFunction arn:aws:lambda:eu-central-1:123456789012:function:herald-test-reconcile",
        "Allow secretsmanager:GetSecretValue secret/database",
        "Allow secretsmanager:GetSecretValue secret/outputs",
        "Allow secretsmanager:GetSecretValue secret/providers",
        "Allow secretsmanager:GetSecretValue secret/webhook",
        "Allow sns:Publish topic/error-notifications",
        "Allow sns:Publish topic/generation-complete",
      ])
      keep = toset([
        "Allow dynamodb:GetItem table/outputs",
        "Allow dynamodb:UpdateItem table/outputs",
        "Allow kms:Decrypt key/messaging sqs.eu-central-1.amazonaws.com",
        "Allow kms:Decrypt key/outputs s3.eu-central-1.amazonaws.com",
        "Allow kms:Decrypt key/storage dynamodb.eu-central-1.amazonaws.com secretsmanager.eu-central-1.amazonaws.com",
        "Allow kms:GenerateDataKey key/outputs s3.eu-central-1.amazonaws.com",
        "Allow s3:AbortMultipartUpload bucket/outputs/*",
        "Allow s3:DeleteObject bucket/outputs/*",
        "Allow s3:GetObject bucket/outputs/*",
        "Allow s3:ListMultipartUploadParts bucket/outputs/*",
        "Allow s3:PutObject bucket/outputs/*",
        "Allow secretsmanager:GetSecretValue secret/outputs",
        "Allow sqs:ChangeMessageVisibility queue/generation-complete-keep",
        "Allow sqs:DeleteMessage queue/generation-complete-keep",
        "Allow sqs:GetQueueAttributes queue/generation-complete-keep",
        "Allow sqs:ReceiveMessage queue/generation-complete-keep",
      ])
      link = toset([
        "Allow dynamodb:GetItem table/outputs",
        "Allow kms:Decrypt key/outputs s3.eu-central-1.amazonaws.com",
        "Allow kms:Decrypt key/storage dynamodb.eu-central-1.amazonaws.com secretsmanager.eu-central-1.amazonaws.com",
        "Allow s3:GetObject bucket/outputs/*",
        "Allow secretsmanager:GetSecretValue secret/outputs",
      ])
      reconcile = toset([
        "Allow dynamodb:PutItem table/outputs",
        "Allow dynamodb:UpdateItem table/outputs",
        "Allow kms:Decrypt key/messaging sns.eu-central-1.amazonaws.com",
        "Allow kms:Decrypt key/outputs s3.eu-central-1.amazonaws.com",
        "Allow kms:Decrypt key/storage dynamodb.eu-central-1.amazonaws.com secretsmanager.eu-central-1.amazonaws.com",
        "Allow kms:GenerateDataKey key/messaging sns.eu-central-1.amazonaws.com",
        "Allow kms:GenerateDataKey key/outputs s3.eu-central-1.amazonaws.com",
        "Allow s3:AbortMultipartUpload bucket/outputs/*",
        "Allow s3:GetObject bucket/outputs/*",
        "Allow s3:ListMultipartUploadParts bucket/outputs/*",
        "Allow s3:PutObject bucket/outputs/*",
        "Allow secretsmanager:GetSecretValue secret/database",
        "Allow secretsmanager:GetSecretValue secret/outputs",
        "Allow secretsmanager:GetSecretValue secret/providers",
        "Allow sns:Publish topic/error-notifications",
        "Allow sns:Publish topic/generation-complete",
      ])
      relay = toset([
        "Allow dynamodb:BatchWriteItem table/inbox",
        "Allow dynamodb:PutItem table/outputs",
        "Allow kms:Decrypt key/messaging sns.eu-central-1.amazonaws.com",
        "Allow kms:Decrypt key/storage dynamodb.eu-central-1.amazonaws.com secretsmanager.eu-central-1.amazonaws.com",
        "Allow kms:GenerateDataKey key/messaging sns.eu-central-1.amazonaws.com",
        "Allow secretsmanager:GetSecretValue secret/database",
        "Allow secretsmanager:GetSecretValue secret/outputs",
        "Allow sns:Publish topic/error-notifications",
        "Allow sns:Publish topic/generation-complete",
      ])
    }
    error_message = "A function's permissions have changed. Each function must have exactly the permissions that it needs."
  }

  assert {
    condition     = output.outputs_table == "outputs" && output.keep_dlq_url == "https://sqs/keep-dlq"
    error_message = "Commands must find the table and the dead-letter queue."
  }
}

run "links_live_as_long_as_events" {
  command = plan

  variables {
    keep_outputs          = true
    inbox_retention_days  = 14
    output_retention_days = 7
  }

  expect_failures = [var.output_retention_days]
}

run "custom_domains" {
  command = plan

  variables {
    websocket_domain = {
      name            = "events.example.com"
      certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/events"
    }
    callback_domain = {
      name            = "hooks.example.com"
      certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/hooks"
    }
    disable_execute_api_endpoint = true
  }

  assert {
    condition     = output.management_endpoint == "https://events.example.com" && output.websocket_url == "wss://events.example.com"
    error_message = "Clients must connect, and functions must post, to the custom domain."
  }

  assert {
    condition     = output.callback_url == "https://hooks.example.com/callbacks/generations"
    error_message = "The provider must post to the custom domain."
  }

  assert {
    condition = { for name, target in output.domain_targets : name => target.name } == {
      "events.example.com" = "d-1.execute-api.eu-central-1.amazonaws.com"
      "hooks.example.com"  = "d-2.execute-api.eu-central-1.amazonaws.com"
    }
    error_message = "The outputs must contain the targets of the DNS records."
  }
}

run "no_domain_no_endpoint" {
  command = plan

  variables {
    disable_execute_api_endpoint = true
  }

  expect_failures = [var.disable_execute_api_endpoint]
}

run "one_domain_and_its_certificate" {
  command = plan

  variables {
    websocket_domain = {
      name            = "events.example.com"
      certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/events"
    }
    callback_domain = {
      name            = "hooks.example.com"
      certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/hooks"
    }
    callback_endpoint = "https://hooks.example.com"
  }

  expect_failures = [var.websocket_domain, var.callback_domain]
}

run "domains_that_are_managed_elsewhere" {
  command = plan

  variables {
    management_endpoint = "https://events.example.com/live"
    callback_endpoint   = "https://hooks.example.com"
  }

  assert {
    condition     = output.management_endpoint == "https://events.example.com/live" && output.websocket_url == "wss://events.example.com/live"
    error_message = "Clients must connect, and functions must post, to the custom domain."
  }

  assert {
    condition     = output.callback_url == "https://hooks.example.com/callbacks/generations"
    error_message = "The provider must post to the custom domain."
  }
}

run "endpoints_are_checked" {
  command = plan

  variables {
    management_endpoint = "wss://events.example.com"
    callback_endpoint   = "https://hooks.example.com/"
  }

  expect_failures = [var.management_endpoint, var.callback_endpoint]
}

run "the_schema_is_heralds_alone" {
  command = plan

  variables {
    database_schema = "public"
  }

  expect_failures = [var.database_schema]
}

run "only_partitions_whose_endpoints_are_known" {
  command = plan

  variables {
    aws_region = "cn-northwest-1"
  }

  expect_failures = [var.aws_region]
}

run "an_account_is_named_by_its_id" {
  command = plan

  variables {
    aws_account_id = "production"
  }

  expect_failures = [var.aws_account_id]
}

run "a_runtime_that_the_provider_does_not_know" {
  command = plan

  variables {
    lambda_runtime = "python3.14"
  }

  expect_failures = [var.lambda_runtime]
}

run "python_3_11" {
  command = plan

  variables {
    lambda_runtime = "python3.11"
  }

  assert {
    condition     = local.function.architecture == "x86_64"
    error_message = "psycopg2 has no arm64 wheel for python3.11."
  }
}

run "python_3_12" {
  command = plan

  variables {
    lambda_runtime = "python3.12"
  }
}

run "python_3_13" {
  command = plan

  variables {
    lambda_runtime = "python3.13"
  }

  assert {
    condition     = local.function.architecture == "arm64"
    error_message = "By default, functions run on arm64, which costs less."
  }
}

run "package_is_missing" {
  command = plan

  variables {
    package_path = "no-such-package.zip"
  }

  expect_failures = [var.package_path]
}

run "posts_stay_within_the_quota" {
  command = plan

  variables {
    deliver_maximum_concurrency = 100
    posts_per_second            = 84 # with the 20 copies for progress, 10,080
  }

  expect_failures = [var.posts_per_second]
}

run "relay_times_out_before_the_next_run" {
  command = plan

  variables {
    sizes = { relay = { timeout = 60 } }
  }

  expect_failures = [var.sizes]
}

run "reconcile_times_out_before_the_next_run" {
  command = plan

  variables {
    sizes = { reconcile = { timeout = 60 } }
  }

  expect_failures = [var.sizes]
}

run "a_deadline_of_a_few_seconds_is_refused" {
  command = plan

  variables {
    generation_deadline_seconds = 30
  }

  expect_failures = [var.generation_deadline_seconds]
}

run "a_providers_api_needs_https" {
  command = plan

  variables {
    provider_apis = { bfl = "http://api.eu.bfl.ai" }
  }

  expect_failures = [var.provider_apis]
}

run "an_alarm_needs_a_providers_name" {
  command = plan

  variables {
    alarm_providers = ["Replicate"]
  }

  expect_failures = [var.alarm_providers]
}

run "jwks_needs_a_key_pair" {
  command = plan

  variables {
    jwt_algorithm = "HS256"
    jwt_jwks_url  = "https://login.example.com/.well-known/jwks.json"
  }

  expect_failures = [var.jwt_jwks_url]
}

run "jwks_url_without_user_information" {
  command = plan

  variables {
    jwt_algorithm = "RS256"
    jwt_jwks_url  = "https://user@login.example.com/.well-known/jwks.json"
  }

  expect_failures = [var.jwt_jwks_url]
}

run "origins_in_other_forms" {
  command = plan

  variables {
    allowed_origins = [
      "https://App.Example.com:443",
      "http://localhost:80",
      "http://127.0.0.1:3000",
      "http://[::1]:3000",
      "https://xn--bcher-kva.example",
      "https://my_app.example.com ",
    ]
  }
}

run "no_internationalized_origin" {
  command = plan

  variables {
    allowed_origins = ["https://bücher.example"]
  }

  expect_failures = [var.allowed_origins]
}

run "no_user_information_in_an_origin" {
  command = plan

  variables {
    allowed_origins = ["https://user@app.example.com"]
  }

  expect_failures = [var.allowed_origins]
}

run "no_query_in_an_origin" {
  command = plan

  variables {
    allowed_origins = ["https://app.example.com?x=1"]
  }

  expect_failures = [var.allowed_origins]
}

run "no_path_in_an_origin" {
  command = plan

  variables {
    allowed_origins = ["https://app.example.com/"]
  }

  expect_failures = [var.allowed_origins]
}

run "no_wildcard_origin" {
  command = plan

  variables {
    allowed_origins = ["https://*.example.com"]
  }

  expect_failures = [var.allowed_origins]
}

run "sagemaker_reports_to_callback" {
  command = plan

  variables {
    sagemaker_topic_arns = ["arn:aws:sns:eu-central-1:123456789012:inference-success", "arn:aws:sns:eu-central-1:123456789012:inference-errors"]
  }

  assert {
    condition     = toset(keys(aws_sns_topic_subscription.sagemaker)) == toset(var.sagemaker_topic_arns) && alltrue([for subscription in aws_sns_topic_subscription.sagemaker : subscription.protocol == "lambda"])
    error_message = "Each topic must invoke callback."
  }
}

run "topics_of_other_accounts_are_refused" {
  command = plan

  variables {
    sagemaker_topic_arns = ["arn:aws:sns:eu-central-1:999999999999:inference-success"]
  }

  expect_failures = [var.sagemaker_topic_arns]
}

run "a_topic_is_named_once" {
  command = plan

  variables {
    sagemaker_topic_arns = ["arn:aws:sns:eu-central-1:123456789012:inference", "arn:aws:sns:eu-central-1:123456789012:inference"]
  }

  expect_failures = [var.sagemaker_topic_arns]
}

run "only_known_processors" {
  command = plan

  variables {
    architecture = "riscv64"
  }

  expect_failures = [var.architecture]
}

run "a_head_is_kept_before_its_event_expires" {
  command = plan

  variables {
    inbox_retention_days  = 3
    outbox_retention_days = 4
  }

  expect_failures = [var.outbox_retention_days]
}

run "a_sampled_share_is_a_percentage" {
  command = plan

  variables {
    log_sample_percent = 101
  }

  expect_failures = [var.log_sample_percent]
}

run "lean" {
  command = plan

  variables {
    lean = true
  }
}
