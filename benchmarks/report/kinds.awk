# What kind of row it is, by its id. A client parses HTTP; bare sockets, bare Asio and wrk do not count.

function is_hotpool(row) { return row ~ /^hotpool/ }

function is_client(row) { return row ~ /^(curl|beast|httplib|poco|go|hyper|undici|node)$/ }
