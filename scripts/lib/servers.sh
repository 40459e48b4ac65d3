# How a private RabbitMQ and a private PostgreSQL are found, started and stopped.
# Sourced by with-servers and server-ctl after common.sh; works on these variables, which
# with-servers saves in the run's state file:
#
#   owner      process id of the with-servers this run belongs to
#   servers    the private servers, e.g. "rabbitmq postgres"
#   run        the run's folder: data, logs, state
#   link       symbolic link to the run's folder below target/, when it had to be elsewhere
#   rabbitmq_* bin, node, port, dist_port, epmd_port
#   postgres_* bin, user, port

# A process that has ended but that nobody collects (as in a container without a real init)
# is not alive.
is_alive() {
    kill -0 "$1" 2>/dev/null && ! grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"
}

# pick_port VARIABLE: a free port below the range the system takes for outgoing connections,
# so that it is still free when a stopped server is started again.
picked_ports=' '
pick_port() {
    local port
    while :; do
        port=$((15000 + RANDOM % 17000))
        [[ $picked_ports != *" $port "* ]] || continue
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    picked_ports+="$port "
    printf -v "$1" %s "$port"
}

save_state() {
    (
        umask 077
        local name
        for name in owner servers run link \
            rabbitmq_bin rabbitmq_node rabbitmq_port rabbitmq_dist_port rabbitmq_epmd_port \
            postgres_bin postgres_user postgres_port; do
            printf '%s=%q\n' "$name" "${!name-}"
        done >"$run/state"
    )
}

# ---- RabbitMQ ---------------------------------------------------------------------------

# Debian's /usr/sbin/rabbitmq* are wrappers that change to another user and folder; the real
# programs are elsewhere and come first.
rabbitmq_find() {
    local dir IFS=:
    command -v erl >/dev/null || return 1
    for dir in /usr/lib/rabbitmq/bin /opt/homebrew/sbin /usr/local/sbin $PATH; do
        if [[ -x $dir/rabbitmq-server && -x $dir/rabbitmqctl && $dir != /usr/sbin ]]; then
            rabbitmq_bin=$dir
            return
        fi
    done
    return 1
}

# Runs a RabbitMQ program with the settings of this node and with none of the machine's: no
# configuration below /etc, its own cookie (in HOME), its own name server (epmd).
rabbitmq_run() (
    local dir=$run/rabbitmq
    unset "${!RABBITMQ_@}" NOTIFY_SOCKET
    export HOME=$dir
    export ERL_EPMD_PORT=$rabbitmq_epmd_port ERL_EPMD_ADDRESS=127.0.0.1
    export RABBITMQ_NODENAME=$rabbitmq_node
    export RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT=$rabbitmq_port
    export RABBITMQ_DIST_PORT=$rabbitmq_dist_port
    export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}'
    export RABBITMQ_CONF_ENV_FILE=$dir/rabbitmq-env.conf
    export RABBITMQ_CONFIG_FILE=$dir/rabbitmq.conf
    export RABBITMQ_CONFIG_FILES=$dir/conf.d
    export RABBITMQ_ADVANCED_CONFIG_FILE=$dir/advanced.config
    export RABBITMQ_GENERATED_CONFIG_DIR=$dir/generated
    export RABBITMQ_ENABLED_PLUGINS_FILE=$dir/enabled_plugins
    export RABBITMQ_MNESIA_BASE=$dir/data
    export RABBITMQ_LOG_BASE=$dir/log
    export RABBITMQ_PID_FILE=$dir/pid
    cd "$dir"
    exec "$@"
)

rabbitmq_create() {
    rabbitmq_node=order-worker-$$-$RANDOM@localhost
    pick_port rabbitmq_port
    pick_port rabbitmq_dist_port
    pick_port rabbitmq_epmd_port
    mkdir -p "$run"/rabbitmq/{data,log,generated,conf.d}
    echo '[].' >"$run/rabbitmq/enabled_plugins"
    echo '[].' >"$run/rabbitmq/advanced.config"
    : >"$run/rabbitmq/rabbitmq.conf"
    : >"$run/rabbitmq/rabbitmq-env.conf"
}

# The server answers the protocol's greeting with a method frame (type 1).
rabbitmq_answers() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$rabbitmq_port"
        printf 'AMQP\0\0\011\001' >&3
        IFS= read -r -t 5 -n 1 frame <&3
        [[ $frame == $'\001' ]]
    ) 2>/dev/null
}

rabbitmq_pid() { cat "$run/rabbitmq/pid" 2>/dev/null; }

rabbitmq_is_running() {
    local pid
    pid=$(rabbitmq_pid) && [[ -n $pid ]] && is_alive "$pid"
}

rabbitmq_start() {
    rabbitmq_is_running && return
    rm -f "$run/rabbitmq/pid"
    touch "$run/rabbitmq/launched"
    # No inherited output: who reads the output of this script must not wait for the server.
    rabbitmq_run "$rabbitmq_bin/rabbitmq-server" -detached \
        </dev/null >"$run/rabbitmq/log/start.log" 2>&1 || true
    local deadline=$((SECONDS + 90))
    until rabbitmq_answers; do
        if ((SECONDS > deadline)) || { [[ -s $run/rabbitmq/pid ]] && ! rabbitmq_is_running; }; then
            tail -n 40 "$run"/rabbitmq/log/*.log >&2 || true
            say "RabbitMQ did not start"
            return 1
        fi
        sleep 0.1
    done
}

# rabbitmq_signal SIGNAL: sends it to the server and waits for its end.
rabbitmq_signal() {
    local tries pid
    [[ -e $run/rabbitmq/launched ]] || return 0
    # A start that was interrupted has perhaps not got as far as the file with the process id.
    for ((tries = 0; tries < 100; tries++)); do
        [[ ! -s $run/rabbitmq/pid ]] || break
        sleep 0.1
    done
    pid=$(rabbitmq_pid) || return 0
    kill -s "$1" "$pid" 2>/dev/null || true
    for ((tries = 0; tries < 600; tries++)); do
        is_alive "$pid" || break
        sleep 0.1
    done
    if is_alive "$pid"; then
        say "RabbitMQ ($pid) did not end after SIG$1"
        return 1
    fi
    rm -f "$run"/rabbitmq/{pid,launched}
}

rabbitmq_stop() { rabbitmq_signal TERM; } # an orderly shutdown, as with `rabbitmqctl stop`
rabbitmq_kill() { rabbitmq_signal KILL; }

rabbitmq_end() {
    local tries
    rabbitmq_kill || true
    # The name server refuses to end as long as it knows a node; it notices the end of one at
    # once, but not before.
    for ((tries = 0; tries < 20; tries++)); do
        (exec 3<>"/dev/tcp/127.0.0.1/$rabbitmq_epmd_port") 2>/dev/null || break
        epmd -port "$rabbitmq_epmd_port" -kill >/dev/null 2>&1 && break
        sleep 0.1
    done
}

# ---- PostgreSQL -------------------------------------------------------------------------

postgres_find() {
    local dir dirs
    dirs=$(
        tr : '\n' <<<"$PATH"
        ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
            /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin 2>/dev/null |
            sort -rV
    ) || true
    while IFS= read -r dir; do
        if [[ -x $dir/initdb && -x $dir/pg_ctl && -x $dir/postgres ]]; then
            postgres_bin=$dir
            return
        fi
    done <<<"$dirs"
    return 1
}

# PostgreSQL refuses to run as root.
postgres_find_user() {
    postgres_user=
    is_root || return 0
    if id postgres >/dev/null 2>&1; then postgres_user=postgres; else postgres_user=nobody; fi
}

postgres_run() (
    unset "${!PG@}"
    export LC_ALL=C
    cd / # the current folder may be closed to the other user
    if [[ -n $postgres_user ]]; then
        exec runuser -u "$postgres_user" -- "$@"
    fi
    exec "$@"
)

# postgres_create PASSWORD
postgres_create() {
    local dir=$run/postgres
    pick_port postgres_port
    mkdir -p "$dir"
    chmod 700 "$dir"
    (umask 077 && printf '%s\n' "$1" >"$dir/password")
    [[ -z $postgres_user ]] || chown -R "$postgres_user" "$dir"
}

postgres_initialize() {
    local dir=$run/postgres
    postgres_run "$postgres_bin/initdb" -D "$dir/data" -U order_worker --pwfile="$dir/password" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync \
        >"$run/postgres-init.log" 2>&1 || return
    # Everything that is about durability keeps its default: fault tests rely on it.
    # No Unix socket: its path could be too long.
    postgres_run tee -a "$dir/data/postgresql.conf" >/dev/null <<-END || return
		listen_addresses = '127.0.0.1'
		port = $postgres_port
		unix_socket_directories = ''
		max_connections = 200
	END
    # In single-user mode no client program is needed to create the database.
    postgres_run "$postgres_bin/postgres" --single -D "$dir/data" postgres \
        <<<'CREATE DATABASE order_worker' >>"$run/postgres-init.log" 2>&1
}

postgres_is_running() {
    postgres_run "$postgres_bin/pg_ctl" -D "$run/postgres/data" status >/dev/null 2>&1
}

postgres_start() {
    local dir=$run/postgres deadline=$((SECONDS + 60))
    if [[ ! -e $dir/data ]] && ! postgres_initialize; then
        tail -n 40 "$run/postgres-init.log" >&2 || true
        say "PostgreSQL's data folder could not be made"
        return 1
    fi
    postgres_is_running && return
    # More than one try: the last processes of a killed server take a moment to end, and keep
    # the next one from starting.
    until postgres_run "$postgres_bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 start \
        </dev/null >/dev/null 2>&1; do
        if ((SECONDS > deadline)); then
            tail -n 40 "$dir/log" >&2 || true
            say "PostgreSQL did not start"
            return 1
        fi
        sleep 0.2
    done
}

# postgres_shutdown MODE
postgres_shutdown() {
    postgres_is_running || return 0
    postgres_run "$postgres_bin/pg_ctl" -D "$run/postgres/data" -m "$1" -w -t 60 stop >/dev/null
}

postgres_stop() { postgres_shutdown fast; }
postgres_end() { postgres_shutdown immediate; }

postgres_kill() {
    local pid
    pid=$(head -n 1 "$run/postgres/data/postmaster.pid" 2>/dev/null) || return 0
    kill -s KILL "$pid" 2>/dev/null || true
    while is_alive "$pid"; do sleep 0.1; done
    # PostgreSQL takes a process that nobody has collected yet for a running server. (Its memory
    # still keeps a second server off the data as long as one of its processes lives.)
    rm -f "$run/postgres/data/postmaster.pid"
}

# ---- both -------------------------------------------------------------------------------

# Ends the run's private servers and removes every trace. As the data go too, this is not
# an orderly shutdown.
end_servers() {
    local server jobs=()
    for server in $servers; do
        "${server}_end" &
        jobs+=($!)
    done
    ((${#jobs[@]} == 0)) || wait "${jobs[@]}" || true
    rm -rf "$run" ${link:+"$link"}
}
