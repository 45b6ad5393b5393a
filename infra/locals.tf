data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  name       = "herald-${var.stage}"
  region     = data.aws_region.current.name
  dns_suffix = data.aws_partition.current.dns_suffix

  topic_name       = "${var.name_prefix}generation-complete"
  error_topic_name = "${var.name_prefix}error-notifications"
  callback_path    = "/callbacks/generations"

  function_log_prefix = "/aws/lambda/${local.name}-"
  # API Gateway's log delivery keeps its resource policy short for names under /aws/vendedlogs/.
  access_log_prefix = "/aws/vendedlogs/${local.name}-"

  management_endpoint = replace(replace(replace(replace(var.management_endpoint_format,
    "{api_id}", module.websocket.api_id),
    "{region}", local.region),
    "{dns_suffix}", local.dns_suffix),
  "{stage}", var.stage)
  callback_endpoint = replace(replace(replace(var.callback_endpoint_format,
    "{api_id}", module.callback_api.api_id),
    "{region}", local.region),
  "{dns_suffix}", local.dns_suffix)

  # kms:ViaService: the keys are only used through the service that holds the data.
  via = {
    for service in ["dynamodb", "secretsmanager", "sns", "sqs"] :
    service => "${service}.${local.region}.${local.dns_suffix}"
  }

  common_environment = {
    HERALD_LOG_LEVEL = var.log_level
    HERALD_STAGE     = var.stage
  }

  token_environment = {
    HERALD_JWT_ALGORITHM  = var.jwt_algorithm
    HERALD_JWT_AUDIENCE   = var.jwt_audience
    HERALD_JWT_ISSUER     = var.jwt_issuer
    HERALD_JWT_JWKS_URL   = var.jwt_jwks_url
    HERALD_JWT_SECRET_ARN = module.storage.jwt_secret_arn
  }
}
