# What kind of row it is, by its id. A full client parses HTTP and keeps connections for reuse by itself.

function is_hotpool(row) { return row ~ /^hotpool/ }

function is_client(row) { return row ~ /^(curl|beast|httplib|poco|go|hyper|undici|node)$/ }
