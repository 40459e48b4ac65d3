# shellcheck shell=bash disable=SC2034,SC2119,SC2120,SC2154
# How private RabbitMQ nodes and a private PostgreSQL are found, started and stopped.
# Sourced by with-servers and server-ctl after common.sh; works on these variables, which
# with-servers saves in the run's state file:
#
#   owner         process id of the with-servers this run belongs to
#   servers       the private servers, e.g. "rabbitmq postgres"
#   servers_root  the system that has their programs; empty: this machine
#   run           the run's folder: data, logs, state
#   link          symbolic link to the run's folder below target/, when it had to be elsewhere
#   rabbitmq_*    bin, name, epmd_port; nodes (how many), and of each node its port and dist_port,
#                 in lists separated by spaces
#   postgres_*    bin, user, port

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
        for name in owner servers servers_root run link \
            rabbitmq_bin rabbitmq_name rabbitmq_epmd_port \
            rabbitmq_nodes rabbitmq_ports rabbitmq_dist_ports \
            postgres_bin postgres_user postgres_port; do
            printf '%s=%q\n' "$name" "${!name-}"
        done >"$run/state"
    )
}

# run_server_program USER FOLDER NAME=VALUE… COMMAND…: runs a server's program in FOLDER, in the
# servers' root if there is one. USER is a user's name, in a root its numbers; empty for the present
# user.
run_server_program() {
    local user=$1 dir=$2
    shift 2
    if [[ -n $servers_root ]]; then
        in_root "$servers_root" "${user:-$(id -u):$(id -g)}" "$run" \
            env --chdir="$dir" -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"
    else
        (
            unset "${!RABBITMQ_@}" "${!PG@}" NOTIFY_SOCKET
            cd "$dir" || exit
            if [[ -n $user ]]; then exec runuser -u "$user" -- env "$@"; else exec env "$@"; fi
        )
    fi
}

# ---- RabbitMQ ---------------------------------------------------------------------------
#
# One node or a cluster of several: the functions below take a node's number, from 1. Those that
# server-ctl calls (start, stop, kill, freeze, thaw, status) take a number or, without one, do it
# with all nodes at the same time.

# Debian's /usr/sbin/rabbitmq* are wrappers that change to another user and folder; the real
# programs are elsewhere and come first.
rabbitmq_find() {
    local dir path=$PATH IFS=:
    if [[ -n $servers_root ]]; then
        [[ -x $servers_root/usr/bin/erl ]] || return 1
        path=''
    else
        command -v erl >/dev/null || return 1
    fi
    for dir in /usr/lib/rabbitmq/bin /opt/homebrew/sbin /usr/local/sbin $path; do
        if [[ -x $servers_root$dir/rabbitmq-server && -x $servers_root$dir/rabbitmqctl &&
            $dir != /usr/sbin ]]; then
            rabbitmq_bin=$dir
            return
        fi
    done
    return 1
}

rabbitmq_node_name() { echo "$rabbitmq_name-$1@localhost"; }

# nth NUMBER LIST: an element of a list that is separated by spaces.
nth() { cut -d ' ' -f "$1" <<<"$2"; }

rabbitmq_port() { nth "$1" "$rabbitmq_ports"; }

# rabbitmq_run NODE COMMAND…: runs a RabbitMQ program with the settings of this node and with none of
# the machine's: no configuration below /etc, its own cookie (in HOME), its own name server (epmd).
rabbitmq_run() {
    local node=$1 dir=$run/rabbitmq/$1
    shift
    run_server_program '' "$dir" \
        HOME="$run/rabbitmq" \
        ERL_EPMD_PORT="$rabbitmq_epmd_port" \
        ERL_EPMD_ADDRESS=127.0.0.1 \
        RABBITMQ_NODENAME="$(rabbitmq_node_name "$node")" \
        RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 \
        RABBITMQ_NODE_PORT="$(rabbitmq_port "$node")" \
        RABBITMQ_DIST_PORT="$(nth "$node" "$rabbitmq_dist_ports")" \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
        RABBITMQ_CONF_ENV_FILE="$dir/rabbitmq-env.conf" \
        RABBITMQ_CONFIG_FILE="$dir/rabbitmq.conf" \
        RABBITMQ_CONFIG_FILES="$dir/conf.d" \
        RABBITMQ_ADVANCED_CONFIG_FILE="$dir/advanced.config" \
        RABBITMQ_GENERATED_CONFIG_DIR="$dir/generated" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$dir/enabled_plugins" \
        RABBITMQ_MNESIA_BASE="$dir/data" \
        RABBITMQ_LOG_BASE="$dir/log" \
        RABBITMQ_PID_FILE="$dir/pid" \
        "$@"
}

# The plugin ships with RabbitMQ, but not every package of RabbitMQ has all plugins.
rabbitmq_has_plugin() {
    local program
    program=$(readlink "$servers_root$rabbitmq_bin/rabbitmq-server") || program=''
    # Debian's is a link to the real one, and so is Homebrew's.
    case $program in
        '') program=$rabbitmq_bin/rabbitmq-server ;;
        /*) ;;
        *) program=$rabbitmq_bin/$program ;;
    esac
    compgen -G "$servers_root${program%/*}/../plugins/$1-*" >/dev/null
}

# rabbitmq_create NODES
rabbitmq_create() {
    local node peer free plugins='' dir=$run/rabbitmq
    rabbitmq_nodes=$1
    rabbitmq_name=order-worker-$$-$RANDOM
    rabbitmq_ports='' rabbitmq_dist_ports=''
    pick_port rabbitmq_epmd_port
    ! rabbitmq_has_plugin rabbitmq_consistent_hash_exchange ||
        plugins=rabbitmq_consistent_hash_exchange
    mkdir -p "$dir"
    (umask 377 && od -An -N12 -tx1 /dev/urandom | tr -d ' \n' >"$dir/.erlang.cookie")
    for ((node = 1; node <= rabbitmq_nodes; node++)); do
        pick_port free
        rabbitmq_ports+=${rabbitmq_ports:+ }$free
        pick_port free
        rabbitmq_dist_ports+=${rabbitmq_dist_ports:+ }$free
        mkdir -p "$dir/$node"/{data,log,generated,conf.d}
        echo "[$plugins]." >"$dir/$node/enabled_plugins"
        echo '[].' >"$dir/$node/advanced.config"
        : >"$dir/$node/rabbitmq-env.conf"
        : >"$dir/$node/rabbitmq.conf"
        ((rabbitmq_nodes > 1)) || continue
        # Nodes that start for the first time form a cluster.
        {
            echo 'cluster_formation.peer_discovery_backend = classic_config'
            for ((peer = 1; peer <= rabbitmq_nodes; peer++)); do
                echo "cluster_formation.classic_config.nodes.$peer = $(rabbitmq_node_name "$peer")"
            done
        } >>"$dir/$node/rabbitmq.conf"
    done
}

# on_nodes FUNCTION [NODE]: calls it with that node, or with all of them at the same time.
on_nodes() {
    local node job jobs=() status=0
    if [[ -n ${2-} ]]; then
        "$1" "$2"
        return
    fi
    for ((node = 1; node <= rabbitmq_nodes; node++)); do
        "$1" "$node" &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do
        wait "$job" || status=1
    done
    return "$status"
}

# The server answers the protocol's greeting with a method frame (type 1).
rabbitmq_answers() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$(rabbitmq_port "$1")"
        printf 'AMQP\0\0\011\001' >&3
        IFS= read -r -t 5 -n 1 frame <&3
        [[ $frame == $'\001' ]]
    ) 2>/dev/null
}

rabbitmq_pid() { cat "$run/rabbitmq/$1/pid" 2>/dev/null; }

rabbitmq_is_running() {
    local pid
    pid=$(rabbitmq_pid "$1") && [[ -n $pid ]] && is_alive "$pid"
}

rabbitmq_is_frozen() {
    local pid
    pid=$(rabbitmq_pid "$1") && grep -qs '^State:[[:space:]]*T' "/proc/$pid/status"
}

rabbitmq_start() { on_nodes rabbitmq_start_node "$@"; }
rabbitmq_start_node() {
    local node=$1 dir=$run/rabbitmq/$1 deadline=$((SECONDS + 90))
    rabbitmq_is_running "$node" && return
    rm -f "$dir/pid"
    touch "$dir/launched"
    # No inherited output: who reads the output of this script must not wait for the server.
    rabbitmq_run "$node" "$rabbitmq_bin/rabbitmq-server" -detached \
        </dev/null >"$dir/log/start.log" 2>&1 || true
    until rabbitmq_answers "$node"; do
        if ((SECONDS > deadline)) || { [[ -s $dir/pid ]] && ! rabbitmq_is_running "$node"; }; then
            tail -n 40 "$dir"/log/*.log >&2 || true
            say "RabbitMQ did not start"
            return 1
        fi
        sleep 0.1
    done
}

# rabbitmq_await_cluster: until all nodes know each other.
rabbitmq_await_cluster() {
    ((rabbitmq_nodes == 1)) ||
        rabbitmq_run 1 "$rabbitmq_bin/rabbitmqctl" -q --timeout 60 \
            await_online_nodes "$rabbitmq_nodes" >&2
}

# rabbitmq_signal SIGNAL NODE: sends it to the server and waits for its end.
rabbitmq_signal() {
    local tries pid dir=$run/rabbitmq/$2
    [[ -e $dir/launched ]] || return 0
    # A start that was interrupted has perhaps not got as far as the file with the process id.
    for ((tries = 0; tries < 100; tries++)); do
        [[ ! -s $dir/pid ]] || break
        sleep 0.1
    done
    pid=$(rabbitmq_pid "$2") || return 0
    kill -s "$1" "$pid" 2>/dev/null || true
    kill -s CONT "$pid" 2>/dev/null || true # it may be frozen
    for ((tries = 0; tries < 600; tries++)); do
        is_alive "$pid" || break
        sleep 0.1
    done
    if is_alive "$pid"; then
        say "RabbitMQ ($pid) did not end after SIG$1"
        return 1
    fi
    rm -f "$dir"/{pid,launched}
}

rabbitmq_stop() { on_nodes rabbitmq_stop_node "$@"; }
rabbitmq_kill() { on_nodes rabbitmq_kill_node "$@"; }
# An orderly shutdown, as with `rabbitmqctl stop`.
rabbitmq_stop_node() { rabbitmq_signal TERM "$1"; }
rabbitmq_kill_node() { rabbitmq_signal KILL "$1"; }

rabbitmq_freeze() { on_nodes rabbitmq_freeze_node "$@"; }
rabbitmq_thaw() { on_nodes rabbitmq_thaw_node "$@"; }
rabbitmq_freeze_node() { kill -s STOP "$(rabbitmq_pid "$1")"; }
rabbitmq_thaw_node() { kill -s CONT "$(rabbitmq_pid "$1")"; }

# rabbitmq_status [NODE]: of all nodes, it is that of the one that is worst off.
rabbitmq_status() {
    local node status=running
    for ((node = ${1:-1}; node <= ${1:-rabbitmq_nodes}; node++)); do
        if ! rabbitmq_is_running "$node"; then
            status=stopped
        elif [[ $status == running ]] && rabbitmq_is_frozen "$node"; then
            status=frozen
        fi
    done
    echo "$status"
}

# rabbitmq_ctl NODE ARGUMENT…: rabbitmqctl on that node, or with an empty NODE on the first one that
# runs.
rabbitmq_ctl() {
    local node=$1
    shift
    if [[ -z $node ]]; then
        for ((node = 1; node < rabbitmq_nodes; node++)); do
            [[ $(rabbitmq_status "$node") != running ]] || break
        done
    fi
    rabbitmq_run "$node" "$rabbitmq_bin/rabbitmqctl" "$@"
}

# rabbitmq_leader NODE QUEUE: prints the number of the node that leads a quorum queue. It is what one
# node knows: rabbitmqctl list_queues asks all, and waits for one that is frozen.
rabbitmq_leader() {
    local leader
    [[ $2 != *[\"\\]* ]] || return
    leader=$(rabbitmq_ctl "$1" -q --timeout 10 eval '
        {ok, Queue} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"'"$2"'"/utf8>>)),
        {Name, Known} = amqqueue:get_pid(Queue),
        case ra_leaderboard:lookup_leader(Name) of
            {_, Leader} -> Leader;
            undefined -> Known
        end.') || { say "no leader of queue $2 is known"; return 1; }
    leader=${leader//\'/}
    leader=${leader%@localhost}
    echo "${leader##*-}"
}

rabbitmq_end() {
    local tries
    rabbitmq_kill || true
    # The name server refuses to end as long as it knows a node; it notices the end of one at
    # once, but not before.
    for ((tries = 0; tries < 20; tries++)); do
        (exec 3<>"/dev/tcp/127.0.0.1/$rabbitmq_epmd_port") 2>/dev/null || break
        rabbitmq_run 1 epmd -port "$rabbitmq_epmd_port" -kill >/dev/null 2>&1 && break
        sleep 0.1
    done
}

# ---- PostgreSQL -------------------------------------------------------------------------

postgres_find() {
    local dir dirs
    dirs=$(
        if [[ -n $servers_root ]]; then
            ls -d "$servers_root"/usr/lib/postgresql/*/bin
        else
            tr : '\n' <<<"$PATH"
            ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
                /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin
        fi 2>/dev/null | sort -rV
    ) || true
    while IFS= read -r dir; do
        if [[ -x $dir/initdb && -x $dir/pg_ctl && -x $dir/postgres ]]; then
            postgres_bin=${dir#"$servers_root"}
            return
        fi
    done <<<"$dirs"
    return 1
}

# PostgreSQL refuses to run as root.
postgres_find_user() {
    postgres_user=
    is_root || return 0
    if [[ -n $servers_root ]]; then
        # In numbers: here the name may stand for another user, or for none.
        postgres_user=$(sed -n 's/^postgres:[^:]*:\([0-9]*:[0-9]*\):.*/\1/p' \
            "$servers_root/etc/passwd")
    elif id postgres >/dev/null 2>&1; then
        postgres_user=postgres
    else
        postgres_user=nobody
    fi
}

# Not in the current folder: it may be closed to the other user.
postgres_run() { run_server_program "$postgres_user" / LC_ALL=C "$@"; }

# The functions below act on the server in this folder; its port is postgres_port.
postgres_dir() { echo "${postgres_dir:-$run/postgres}"; }

# postgres_create PASSWORD
postgres_create() {
    local dir
    dir=$(postgres_dir)
    pick_port postgres_port
    mkdir -p "$dir"
    chmod 700 "$dir"
    (umask 077 && printf '%s\n' "$1" >"$dir/password")
    [[ -z $postgres_user ]] || chown -R "$postgres_user" "$dir"
}

postgres_initialize() {
    local dir
    dir=$(postgres_dir)
    postgres_run "$postgres_bin/initdb" -D "$dir/data" -U order_worker --pwfile="$dir/password" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync \
        >"$dir-init.log" 2>&1 || return
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
        <<<'CREATE DATABASE order_worker' >>"$dir-init.log" 2>&1
}

postgres_is_running() {
    postgres_run "$postgres_bin/pg_ctl" -D "$(postgres_dir)/data" status >/dev/null 2>&1
}

postgres_status() { if postgres_is_running; then echo running; else echo stopped; fi; }

postgres_start() {
    local dir deadline=$((SECONDS + 60))
    dir=$(postgres_dir)
    if [[ ! -e $dir/data ]] && ! postgres_initialize; then
        tail -n 40 "$dir-init.log" >&2 || true
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
    postgres_run "$postgres_bin/pg_ctl" -D "$(postgres_dir)/data" -m "$1" -w -t 60 stop >/dev/null
}

postgres_stop() { postgres_shutdown fast; }
postgres_end() { postgres_shutdown immediate; }

postgres_kill() {
    local dir pid
    dir=$(postgres_dir)
    pid=$(head -n 1 "$dir/data/postmaster.pid" 2>/dev/null) || return 0
    kill -s KILL "$pid" 2>/dev/null || true
    while is_alive "$pid"; do sleep 0.1; done
    # PostgreSQL takes a process that nobody has collected yet for a running server. (Its memory
    # still keeps a second server off the data as long as one of its processes lives.)
    rm -f "$dir/data/postmaster.pid"
}

# Pairs of scripts/postgres-pair that a killed test has left behind.
postgres_end_pairs() {
    local postgres_dir
    for postgres_dir in "$run"/postgres-pair.*/[12]; do
        [[ ! -d $postgres_dir ]] || postgres_end || true
    done
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
    postgres_end_pairs
    rm -rf "$run" ${link:+"$link"}
    if [[ -n $servers_root ]]; then
        as_root rmdir "$servers_root$run" 2>/dev/null || true # where it was mounted
    fi
}
