"""Usage by the batch: lines of JSON or CloudEvents, read as they come, each row answered."""

from fastapi import APIRouter

routes = APIRouter()
