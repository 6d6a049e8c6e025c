"""Trackers: what a study's rows say, handed on to TensorBoard, or to whatever has three methods."""
