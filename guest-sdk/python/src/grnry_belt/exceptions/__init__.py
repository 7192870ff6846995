"""What a belt may raise, and what the framework raises about its updates."""
