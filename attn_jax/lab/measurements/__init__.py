"""What claims measure that needs no study: costs counted, gradients of networks that have just begun, sharpness."""
