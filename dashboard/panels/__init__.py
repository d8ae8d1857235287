"""What pages say and show of one thing each: gathered from storage, put into words, parts and charts."""
