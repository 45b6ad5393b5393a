# Offline: the real provider, no call to AWS.
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

# The shared modules are replaced by what they give, so that a right reads "action resource".
override_module {
  target = module.keys
  outputs = {
    environment_key_arn = "key/environment"
    logs_key_arn        = "key/logs"
    messaging_key_arn   = "key/messaging"
    storage_key_arn     = "key/storage"
  }
}

override_module {
  target = module.messaging
  outputs = {
    error_topic_arn = "topic/error-notifications"
    queue_arn       = "queue/generation-complete-queue"
    topic_arn       = "topic/generation-complete"
  }
}

override_module {
  target = module.storage
  outputs = {
    api_keys_table_arn    = "table/api-keys"
    connections_table_arn = "table/connections"
    database_secret_arn   = "secret/database"
    inbox_table_arn       = "table/inbox"
    jwt_secret_arn        = "secret/jwt"
    webhook_secret_arn    = "secret/webhook"
  }
}

override_module {
  target = module.websocket
  outputs = {
    api_id         = "abc123"
    authorizer_arn = "api/authorizers/authorizer"
    execution_arn  = "api"
  }
}

override_module {
  target = module.callback_api
  outputs = {
    api_id        = "def456"
    execution_arn = "callback-api"
  }
}

override_module {
  target = module.relay_schedule
}

override_module {
  target = module.alarms
}

override_module {
  target = module.authorize
}

override_module {
  target = module.callback
}

override_module {
  target = module.connect
}

override_module {
  target = module.deliver
}

override_module {
  target = module.disconnect
}

override_module {
  target = module.message
}

override_module {
  target = module.relay
}

variables {
  stage        = "test"
  package_path = "main.tf" # only has to exist
  jwt_issuer   = "https://login.example.com"
}

run "rights_and_addresses" {
  command = plan

  # Each right as "action resource", and the service through which a key may be used.
  assert {
    condition = {
      for name, document in {
        authorize  = data.aws_iam_policy_document.authorize.json
        callback   = data.aws_iam_policy_document.callback.json
        connect    = data.aws_iam_policy_document.connect.json
        deliver    = data.aws_iam_policy_document.deliver.json
        disconnect = data.aws_iam_policy_document.disconnect.json
        message    = data.aws_iam_policy_document.message.json
        relay      = data.aws_iam_policy_document.relay.json
        } : name => toset(flatten([
          for statement in jsondecode(document).Statement : [
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
        "Allow secretsmanager:GetSecretValue secret/database",
        "Allow secretsmanager:GetSecretValue secret/webhook",
        "Allow sns:Publish topic/error-notifications",
        "Allow sns:Publish topic/generation-complete",
      ])
      connect = toset([
        "Allow dynamodb:UpdateItem table/connections",
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
        "Allow sqs:DeleteMessage queue/generation-complete-queue",
        "Allow sqs:GetQueueAttributes queue/generation-complete-queue",
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
        "Allow secretsmanager:GetSecretValue secret/jwt",
      ])
      relay = toset([
        "Allow kms:Decrypt key/messaging sns.eu-central-1.amazonaws.com",
        "Allow kms:Decrypt key/storage secretsmanager.eu-central-1.amazonaws.com",
        "Allow kms:GenerateDataKey key/messaging sns.eu-central-1.amazonaws.com",
        "Allow secretsmanager:GetSecretValue secret/database",
        "Allow sns:Publish topic/error-notifications",
        "Allow sns:Publish topic/generation-complete",
      ])
    }
    error_message = "A function's rights changed: least privilege means exactly these."
  }

  assert {
    condition     = output.management_endpoint == "https://abc123.execute-api.eu-central-1.amazonaws.com/test"
    error_message = "Pages are posted to through the API's own endpoint and stage."
  }

  assert {
    condition     = output.websocket_url == "wss://abc123.execute-api.eu-central-1.amazonaws.com/test"
    error_message = "Pages connect over wss."
  }

  assert {
    condition     = output.callback_url == "https://def456.execute-api.eu-central-1.amazonaws.com/callbacks/generations"
    error_message = "The provider posts to /callbacks/generations."
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
    posts_per_second            = 101
  }

  expect_failures = [var.posts_per_second]
}

run "relay_ends_before_the_next_one" {
  command = plan

  variables {
    sizes = { relay = { timeout = 60 } }
  }

  expect_failures = [var.sizes]
}

run "jwks_needs_a_key_pair" {
  command = plan

  variables {
    jwt_algorithm = "HS256"
    jwt_jwks_url  = "https://login.example.com/.well-known/jwks.json"
  }

  expect_failures = [var.jwt_jwks_url]
}

run "no_wildcard_origin" {
  command = plan

  variables {
    allowed_origins = ["https://*.example.com"]
  }

  expect_failures = [var.allowed_origins]
}
