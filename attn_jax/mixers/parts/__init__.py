"""What several mixers are made of; nothing here is a rival."""
