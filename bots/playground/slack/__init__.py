"""A simulated Slack workspace: Web API and Socket Mode over real HTTP and websocket, with Slack's limits."""

from bots.playground.slack.limits import Sizes
from bots.playground.slack.server import serve_slack
from bots.playground.slack.simulated import SimulatedSlack
from bots.playground.slack.socket_mode import Timing

__all__ = ["SimulatedSlack", "Sizes", "Timing", "serve_slack"]
