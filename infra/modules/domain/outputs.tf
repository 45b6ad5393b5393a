output "target" {
  description = "Target of the domain's DNS record: a CNAME record to name, or an alias record to name in hosted_zone_id."
  value = {
    name           = aws_apigatewayv2_domain_name.this.domain_name_configuration[0].target_domain_name
    hosted_zone_id = aws_apigatewayv2_domain_name.this.domain_name_configuration[0].hosted_zone_id
  }
}
