"""The OpenAPI document and its page."""

from fastapi import APIRouter

routes = APIRouter()
