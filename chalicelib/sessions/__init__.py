"""The connections of clients, from $connect to $disconnect: authorization, frames and replay."""
