"""Payment providers as data: which one serves which payment. What they do is the processor's business."""
