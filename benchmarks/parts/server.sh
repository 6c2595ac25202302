# shellcheck shell=sh
# Sourced: an nginx of our own on loopback, as cheap as it can be made, in a directory that goes away with it.
#
#   start_server CORE   sets server_plain_port, server_tls_port and server_ca
#   stop_server         also to be called when start_server failed half-way

server_dir=
server_pid=

# letters COUNT
letters() {
    awk -v count="$1" 'BEGIN { while (count-- > 0) printf "%c", 97 + count % 26 }'
}

# Small bodies are part of the configuration: an answer costs nginx no file and, for the smallest, no copy. The
# large one is a file that stays open; without TLS the kernel sends it.
write_server_config() {
    cat >"$server_dir/nginx.conf" <<END
worker_processes 1;
daemon off;
pid nginx.pid;
error_log error.log warn;
events { worker_connections 2048; }
http {
    access_log off;
    sendfile on;
    etag off;
    open_file_cache max=1 inactive=1d;
    open_file_cache_valid 1d;
    keepalive_requests 1000000000;
    keepalive_timeout 1d;
    default_type text/plain;
    server_tokens off;
    ssl_certificate certificate.pem;
    ssl_certificate_key key.pem;
    ssl_protocols TLSv1.3;
    client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
    map \$host \$two_kib { default "$(letters 2048)"; }
    server {
        listen 127.0.0.1:$server_plain_port;
        listen 127.0.0.1:$server_tls_port ssl;
        location = /100 { return 200 "$(letters 100)"; }
        location = /1m { root bodies; }
        location = /16k { return 200 "\$two_kib\$two_kib\$two_kib\$two_kib\$two_kib\$two_kib\$two_kib\$two_kib"; }
    }
}
END
}

start_server() {
    PATH="$PATH:/usr/sbin:/sbin"
    server_dir=$(mktemp -d)
    server_ca=$server_dir/certificate.pem
    # The worker of an nginx started by root is another user.
    mkdir "$server_dir/bodies" && letters 1048576 >"$server_dir/bodies/1m" &&
        chmod 711 "$server_dir" "$server_dir/bodies" && chmod 644 "$server_dir/bodies/1m" || return 1
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
        -keyout "$server_dir/key.pem" -out "$server_ca" 2>"$server_dir/openssl.log" || return 1
    for server_plain_port in 18080 18180 18280 18380 18480 18580; do
        server_tls_port=$((server_plain_port + 1))
        write_server_config
        $first taskset -c "$1" nginx -p "$server_dir" -e error.log -c nginx.conf 2>>"$server_dir/error.log" &
        server_pid=$!
        # nginx tries a taken port for two and a half seconds; it says that it runs by its pid file.
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
            [ ! -s "$server_dir/nginx.pid" ] || return 0
            sleep 0.2
            kill -0 "$server_pid" 2>/dev/null || break
        done
        stop_process
    done
    cat "$server_dir/error.log" >&2
    return 1
}

stop_process() {
    [ -n "$server_pid" ] || return 0
    kill "$server_pid" 2>/dev/null || true
    wait "$server_pid" 2>/dev/null || true
    server_pid=
}

stop_server() {
    stop_process
    [ -z "$server_dir" ] || rm -rf "$server_dir"
    server_dir=
}
