"""`gateway demo`: the gateway's main job, from the merchant's side, step by step and checked."""
