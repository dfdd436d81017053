# Completion of mplp for bash (3.2 and later). Made by `mplp completion bash`; changes will be lost.
#
#   mplp completion bash > ~/.local/share/bash-completion/completions/mplp

# Sets `words` to the words up to the cursor: bash breaks words at `:` and `=`, this puts them together.
_mplp_words() {
  local i word line=$COMP_LINE
  words=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if ((i > 0)) && [[ -n $word && -n $line && $line != [[:space:]]* ]]; then
      words[${#words[@]}-1]+=$word
    else
      words[${#words[@]}]=$word
    fi
    line=${line#*"$word"}
  done
}

# Adds the lines of standard input that begin with what is typed; what follows a tab is a description.
_mplp_add() {
  local word
  while IFS= read -r word; do
    word=${word%%$'\t'*}
    [[ -n $word && $word == "$cur"* ]] && COMPREPLY[${#COMPREPLY[@]}]=$before$word
  done
}

# Asks mplp itself.
_mplp_ask() {
  MPLP_STATE_DIR=${state:-$MPLP_STATE_DIR} "$program" __complete "$@" 2>/dev/null </dev/null
}

_mplp_files() {
  # Readline knows how to quote names, and what to put behind directories.
  compopt -o default -o bashdefault 2>/dev/null || _mplp_add < <(compgen -f -- "$cur")
}

_mplp_complete() { # KIND [CHOICE...]
  local kind=$1
  shift
  case $kind in
    choices) _mplp_add < <(printf '%s\n' "$@") ;;
    topics) _mplp_add < <(printf '%s\n' "$@" | cat - <(_mplp_ask topics)) ;;
    runs) _mplp_add < <(_mplp_ask runs "$verb") ;;
    steps) _mplp_add < <(_mplp_ask steps "$verb" "${positional[0]}") ;;
    file) _mplp_files ;;
    workflow)
      if [[ -n $cur && (example: == "$cur"* || $cur == example:*) ]]; then
        _mplp_add < <(_mplp_ask examples run)
        _mplp_add < <(compgen -f -- "$cur")
      else
        _mplp_files
      fi
      ;;
    directory) compopt -o dirnames 2>/dev/null || _mplp_add < <(compgen -d -- "$cur") ;;
    text) ;;
    *) _mplp_add < <(_mplp_ask "$kind") ;;
  esac
}

_mplp_takes_value() {
  case "$verb $word" in
    "init --from") return 0 ;;
    "examples --output" | "examples -o") return 0 ;;
    "validate --output" | "validate -o") return 0 ;;
    "test --case" | "test -k" | "test --junit" | "test --output" | "test -o") return 0 ;;
    "plan --output" | "plan -o" | "plan --state-dir") return 0 ;;
    "run --input" | "run -i" | "run --inputs" | "run --output" | "run -o" | "run --junit" | "run --trace" | "run --env-file" | "run --secrets-file" | "run --record" | "run --replay" | "run --record-missing" | "run --seed" | "run --priority" | "run --state-dir") return 0 ;;
    "resume --definition" | "resume --output" | "resume -o" | "resume --junit" | "resume --trace" | "resume --secrets-file" | "resume --record" | "resume --replay" | "resume --record-missing" | "resume --state-dir") return 0 ;;
    "retry --output" | "retry -o" | "retry --junit" | "retry --trace" | "retry --secrets-file" | "retry --state-dir") return 0 ;;
    "rerun --from" | "rerun --only" | "rerun --input" | "rerun -i" | "rerun --definition" | "rerun --output" | "rerun -o" | "rerun --junit" | "rerun --trace" | "rerun --secrets-file" | "rerun --state-dir") return 0 ;;
    "pause --reason" | "pause --output" | "pause -o" | "pause --state-dir") return 0 ;;
    "attach --output" | "attach -o" | "attach --junit" | "attach --state-dir") return 0 ;;
    "wait --timeout" | "wait --state-dir") return 0 ;;
    "cancel --reason" | "cancel --output" | "cancel -o" | "cancel --secrets-file" | "cancel --state-dir") return 0 ;;
    "kill --reason" | "kill --output" | "kill -o" | "kill --state-dir") return 0 ;;
    "runs --workflow" | "runs -w" | "runs --status" | "runs -s" | "runs --since" | "runs --limit" | "runs -n" | "runs --output" | "runs -o" | "runs --state-dir" | "runs --keep-days" | "runs --keep" | "runs --forget") return 0 ;;
    "status --output" | "status -o" | "status --state-dir") return 0 ;;
    "logs --attempt" | "logs --state-dir") return 0 ;;
    "artifacts --output" | "artifacts -o" | "artifacts --state-dir") return 0 ;;
    "explain --output" | "explain -o" | "explain --state-dir") return 0 ;;
    "graph --format" | "graph -f" | "graph --state-dir") return 0 ;;
    "report --html" | "report --svg" | "report --state-dir") return 0 ;;
    "diff --output" | "diff -o" | "diff --state-dir") return 0 ;;
    "export --out" | "export --output" | "export -o" | "export --state-dir") return 0 ;;
    "verify --output" | "verify -o") return 0 ;;
    "approvals --run" | "approvals -r" | "approvals --output" | "approvals -o" | "approvals --state-dir") return 0 ;;
    "approve --reason" | "approve --input" | "approve -i" | "approve --inputs" | "approve --by" | "approve --digest" | "approve --output" | "approve -o" | "approve --state-dir") return 0 ;;
    "reject --reason" | "reject --by" | "reject --digest" | "reject --output" | "reject -o" | "reject --state-dir") return 0 ;;
    "events --type" | "events -t" | "events --source" | "events --since" | "events --id" | "events --run" | "events --limit" | "events -n" | "events --output" | "events -o" | "events --state-dir" | "events --data" | "events -d" | "events --subject" | "events --time" | "events --cloud-event" | "events --from" | "events --route" | "events -r" | "events --event" | "events -e" | "events --state" | "events -s" | "events --by" | "events --window" | "events -w" | "events --slide" | "events --lateness" | "events --field" | "events --file" | "events -f" | "events --rules" | "events -r") return 0 ;;
    "triggers --output" | "triggers -o" | "triggers --state-dir" | "triggers --event" | "triggers --at" | "triggers --secrets-file") return 0 ;;
    "alerts --output" | "alerts -o" | "alerts --state-dir" | "alerts --label" | "alerts -l" | "alerts --for" | "alerts --until" | "alerts --reason" | "alerts --by" | "alerts --since" | "alerts --samples") return 0 ;;
    "serve --workflows" | "serve -w" | "serve --host" | "serve --port" | "serve -p" | "serve --allow-host" | "serve --at-once" | "serve --queue" | "serve --backlog" | "serve --grace" | "serve --secrets-file" | "serve --output" | "serve -o" | "serve --state-dir") return 0 ;;
    "call --param" | "call -p" | "call --params" | "call --output" | "call -o" | "call --state-dir") return 0 ;;
    "agents --output" | "agents -o" | "agents --state-dir" | "agents --capability" | "agents -c" | "agents --any-of" | "agents --tag" | "agents --kind" | "agents --status" | "agents --text" | "agents --input" | "agents -i" | "agents --prompt") return 0 ;;
    "interfaces --output" | "interfaces -o" | "interfaces --state-dir" | "interfaces --input" | "interfaces -i") return 0 ;;
    "cassette --output" | "cassette -o") return 0 ;;
    "modules --output" | "modules -o" | "modules --state-dir" | "modules --type" | "modules -t" | "modules --data" | "modules -d" | "modules --module" | "modules -m" | "modules --limit" | "modules -n") return 0 ;;
    "objects --kind" | "objects --version" | "objects --output" | "objects -o" | "objects --state-dir" | "objects --run" | "objects --context" | "objects --status" | "objects -s" | "objects --limit" | "objects -n") return 0 ;;
    "optimize --metrics" | "optimize --lang" | "optimize --output" | "optimize -o" | "optimize --state-dir") return 0 ;;
    "capacity --horizon" | "capacity --history" | "capacity --method" | "capacity --output" | "capacity -o" | "capacity --state-dir") return 0 ;;
    "resources --output" | "resources -o" | "resources --state-dir" | "resources --since" | "resources --cpu" | "resources --memory" | "resources --network" | "resources --storage" | "resources --custom" | "resources --strategy") return 0 ;;
    "backup --output" | "backup -o" | "backup --state-dir") return 0 ;;
    "monitor --interval" | "monitor -i" | "monitor --count" | "monitor -n" | "monitor --output" | "monitor -o" | "monitor --state-dir") return 0 ;;
    "doctor --output" | "doctor -o" | "doctor --state-dir") return 0 ;;
    "health --interval" | "health --fail-on" | "health --timeout" | "health --output" | "health -o" | "health --state-dir") return 0 ;;
    "metrics --since" | "metrics --output" | "metrics -o" | "metrics --state-dir") return 0 ;;
    *) return 1 ;;
  esac
}

_mplp_value() {
  case "$verb $option" in
    "init --from") _mplp_complete examples ;;
    "examples --output" | "examples -o") _mplp_complete choices text json ;;
    "validate --output" | "validate -o") _mplp_complete choices text json github sarif ;;
    "test --case" | "test -k") _mplp_complete text ;;
    "test --junit") _mplp_complete file ;;
    "test --output" | "test -o") _mplp_complete choices text json github ;;
    "plan --output" | "plan -o") _mplp_complete choices text json ;;
    "plan --state-dir") _mplp_complete directory ;;
    "run --input" | "run -i") _mplp_complete text ;;
    "run --inputs") _mplp_complete file ;;
    "run --output" | "run -o") _mplp_complete choices auto json jsonl github quiet ;;
    "run --junit") _mplp_complete file ;;
    "run --trace") _mplp_complete file ;;
    "run --env-file") _mplp_complete file ;;
    "run --secrets-file") _mplp_complete file ;;
    "run --record") _mplp_complete text ;;
    "run --replay") _mplp_complete text ;;
    "run --record-missing") _mplp_complete text ;;
    "run --seed") _mplp_complete text ;;
    "run --priority") _mplp_complete text ;;
    "run --state-dir") _mplp_complete directory ;;
    "resume --definition") _mplp_complete file ;;
    "resume --output" | "resume -o") _mplp_complete choices auto json jsonl github quiet ;;
    "resume --junit") _mplp_complete file ;;
    "resume --trace") _mplp_complete file ;;
    "resume --secrets-file") _mplp_complete file ;;
    "resume --record") _mplp_complete text ;;
    "resume --replay") _mplp_complete text ;;
    "resume --record-missing") _mplp_complete text ;;
    "resume --state-dir") _mplp_complete directory ;;
    "retry --output" | "retry -o") _mplp_complete choices auto json jsonl github quiet ;;
    "retry --junit") _mplp_complete file ;;
    "retry --trace") _mplp_complete file ;;
    "retry --secrets-file") _mplp_complete file ;;
    "retry --state-dir") _mplp_complete directory ;;
    "rerun --from") _mplp_complete steps ;;
    "rerun --only") _mplp_complete steps ;;
    "rerun --input" | "rerun -i") _mplp_complete text ;;
    "rerun --definition") _mplp_complete file ;;
    "rerun --output" | "rerun -o") _mplp_complete choices auto json jsonl github quiet ;;
    "rerun --junit") _mplp_complete file ;;
    "rerun --trace") _mplp_complete file ;;
    "rerun --secrets-file") _mplp_complete file ;;
    "rerun --state-dir") _mplp_complete directory ;;
    "pause --reason") _mplp_complete text ;;
    "pause --output" | "pause -o") _mplp_complete choices text json ;;
    "pause --state-dir") _mplp_complete directory ;;
    "attach --output" | "attach -o") _mplp_complete choices auto json jsonl github quiet ;;
    "attach --junit") _mplp_complete file ;;
    "attach --state-dir") _mplp_complete directory ;;
    "wait --timeout") _mplp_complete text ;;
    "wait --state-dir") _mplp_complete directory ;;
    "cancel --reason") _mplp_complete text ;;
    "cancel --output" | "cancel -o") _mplp_complete choices text json ;;
    "cancel --secrets-file") _mplp_complete file ;;
    "cancel --state-dir") _mplp_complete directory ;;
    "kill --reason") _mplp_complete text ;;
    "kill --output" | "kill -o") _mplp_complete choices text json ;;
    "kill --state-dir") _mplp_complete directory ;;
    "runs --workflow" | "runs -w") _mplp_complete workflows ;;
    "runs --status" | "runs -s") _mplp_complete choices pending running interrupted waiting paused completed failed cancelled ;;
    "runs --since") _mplp_complete text ;;
    "runs --limit" | "runs -n") _mplp_complete text ;;
    "runs --output" | "runs -o") _mplp_complete choices text json ;;
    "runs --state-dir") _mplp_complete directory ;;
    "runs --keep-days") _mplp_complete text ;;
    "runs --keep") _mplp_complete text ;;
    "runs --forget") _mplp_complete text ;;
    "status --output" | "status -o") _mplp_complete choices text json ;;
    "status --state-dir") _mplp_complete directory ;;
    "logs --attempt") _mplp_complete text ;;
    "logs --state-dir") _mplp_complete directory ;;
    "artifacts --output" | "artifacts -o") _mplp_complete choices text json ;;
    "artifacts --state-dir") _mplp_complete directory ;;
    "explain --output" | "explain -o") _mplp_complete choices text json ;;
    "explain --state-dir") _mplp_complete directory ;;
    "graph --format" | "graph -f") _mplp_complete choices ascii mermaid dot svg ;;
    "graph --state-dir") _mplp_complete directory ;;
    "report --html") _mplp_complete file ;;
    "report --svg") _mplp_complete file ;;
    "report --state-dir") _mplp_complete directory ;;
    "diff --output" | "diff -o") _mplp_complete choices text json ;;
    "diff --state-dir") _mplp_complete directory ;;
    "export --out") _mplp_complete directory ;;
    "export --output" | "export -o") _mplp_complete choices text json ;;
    "export --state-dir") _mplp_complete directory ;;
    "verify --output" | "verify -o") _mplp_complete choices text json ;;
    "approvals --run" | "approvals -r") _mplp_complete runs ;;
    "approvals --output" | "approvals -o") _mplp_complete choices text json ;;
    "approvals --state-dir") _mplp_complete directory ;;
    "approve --reason") _mplp_complete text ;;
    "approve --input" | "approve -i") _mplp_complete text ;;
    "approve --inputs") _mplp_complete file ;;
    "approve --by") _mplp_complete text ;;
    "approve --digest") _mplp_complete text ;;
    "approve --output" | "approve -o") _mplp_complete choices text json ;;
    "approve --state-dir") _mplp_complete directory ;;
    "reject --reason") _mplp_complete text ;;
    "reject --by") _mplp_complete text ;;
    "reject --digest") _mplp_complete text ;;
    "reject --output" | "reject -o") _mplp_complete choices text json ;;
    "reject --state-dir") _mplp_complete directory ;;
    "events --type" | "events -t") _mplp_complete text ;;
    "events --source") _mplp_complete text ;;
    "events --since") _mplp_complete text ;;
    "events --id") _mplp_complete text ;;
    "events --run") _mplp_complete runs ;;
    "events --limit" | "events -n") _mplp_complete text ;;
    "events --output" | "events -o") _mplp_complete choices text json ;;
    "events --state-dir") _mplp_complete directory ;;
    "events --data" | "events -d") _mplp_complete text ;;
    "events --subject") _mplp_complete text ;;
    "events --time") _mplp_complete text ;;
    "events --cloud-event") _mplp_complete file ;;
    "events --from") _mplp_complete text ;;
    "events --route" | "events -r") _mplp_complete text ;;
    "events --event" | "events -e") _mplp_complete text ;;
    "events --state" | "events -s") _mplp_complete choices delivered retrying dead dropped ;;
    "events --by") _mplp_complete text ;;
    "events --window" | "events -w") _mplp_complete text ;;
    "events --slide") _mplp_complete text ;;
    "events --lateness") _mplp_complete text ;;
    "events --field") _mplp_complete text ;;
    "events --file" | "events -f") _mplp_complete file ;;
    "events --rules" | "events -r") _mplp_complete file ;;
    "triggers --output" | "triggers -o") _mplp_complete choices text json ;;
    "triggers --state-dir") _mplp_complete directory ;;
    "triggers --event") _mplp_complete text ;;
    "triggers --at") _mplp_complete text ;;
    "triggers --secrets-file") _mplp_complete file ;;
    "alerts --output" | "alerts -o") _mplp_complete choices text json ;;
    "alerts --state-dir") _mplp_complete directory ;;
    "alerts --label" | "alerts -l") _mplp_complete text ;;
    "alerts --for") _mplp_complete text ;;
    "alerts --until") _mplp_complete text ;;
    "alerts --reason") _mplp_complete text ;;
    "alerts --by") _mplp_complete text ;;
    "alerts --since") _mplp_complete text ;;
    "alerts --samples") _mplp_complete file ;;
    "serve --workflows" | "serve -w") _mplp_complete file ;;
    "serve --host") _mplp_complete text ;;
    "serve --port" | "serve -p") _mplp_complete text ;;
    "serve --allow-host") _mplp_complete text ;;
    "serve --at-once") _mplp_complete text ;;
    "serve --queue") _mplp_complete text ;;
    "serve --backlog") _mplp_complete text ;;
    "serve --grace") _mplp_complete text ;;
    "serve --secrets-file") _mplp_complete file ;;
    "serve --output" | "serve -o") _mplp_complete choices text json ;;
    "serve --state-dir") _mplp_complete directory ;;
    "call --param" | "call -p") _mplp_complete text ;;
    "call --params") _mplp_complete text ;;
    "call --output" | "call -o") _mplp_complete choices text json ;;
    "call --state-dir") _mplp_complete directory ;;
    "agents --output" | "agents -o") _mplp_complete choices text json ;;
    "agents --state-dir") _mplp_complete directory ;;
    "agents --capability" | "agents -c") _mplp_complete text ;;
    "agents --any-of") _mplp_complete text ;;
    "agents --tag") _mplp_complete text ;;
    "agents --kind") _mplp_complete kinds ;;
    "agents --status") _mplp_complete choices active degraded unreachable ;;
    "agents --text") _mplp_complete text ;;
    "agents --input" | "agents -i") _mplp_complete text ;;
    "agents --prompt") _mplp_complete text ;;
    "interfaces --output" | "interfaces -o") _mplp_complete choices text json ;;
    "interfaces --state-dir") _mplp_complete directory ;;
    "interfaces --input" | "interfaces -i") _mplp_complete text ;;
    "cassette --output" | "cassette -o") _mplp_complete choices text json ;;
    "modules --output" | "modules -o") _mplp_complete choices text json ;;
    "modules --state-dir") _mplp_complete directory ;;
    "modules --type" | "modules -t") _mplp_complete text ;;
    "modules --data" | "modules -d") _mplp_complete text ;;
    "modules --module" | "modules -m") _mplp_complete modules ;;
    "modules --limit" | "modules -n") _mplp_complete text ;;
    "objects --kind") _mplp_complete kinds ;;
    "objects --version") _mplp_complete text ;;
    "objects --output" | "objects -o") _mplp_complete choices text json ;;
    "objects --state-dir") _mplp_complete directory ;;
    "objects --run") _mplp_complete runs ;;
    "objects --context") _mplp_complete text ;;
    "objects --status" | "objects -s") _mplp_complete text ;;
    "objects --limit" | "objects -n") _mplp_complete text ;;
    "optimize --metrics") _mplp_complete file ;;
    "optimize --lang") _mplp_complete choices en zh ;;
    "optimize --output" | "optimize -o") _mplp_complete choices text json ;;
    "optimize --state-dir") _mplp_complete directory ;;
    "capacity --horizon") _mplp_complete text ;;
    "capacity --history") _mplp_complete file ;;
    "capacity --method") _mplp_complete choices seasonal-naive holt-winters ;;
    "capacity --output" | "capacity -o") _mplp_complete choices text json ;;
    "capacity --state-dir") _mplp_complete directory ;;
    "resources --output" | "resources -o") _mplp_complete choices text json ;;
    "resources --state-dir") _mplp_complete directory ;;
    "resources --since") _mplp_complete text ;;
    "resources --cpu") _mplp_complete text ;;
    "resources --memory") _mplp_complete text ;;
    "resources --network") _mplp_complete text ;;
    "resources --storage") _mplp_complete text ;;
    "resources --custom") _mplp_complete text ;;
    "resources --strategy") _mplp_complete choices first-fit best-fit balanced priority ;;
    "backup --output" | "backup -o") _mplp_complete choices text json ;;
    "backup --state-dir") _mplp_complete directory ;;
    "monitor --interval" | "monitor -i") _mplp_complete text ;;
    "monitor --count" | "monitor -n") _mplp_complete text ;;
    "monitor --output" | "monitor -o") _mplp_complete choices auto text jsonl ;;
    "monitor --state-dir") _mplp_complete directory ;;
    "doctor --output" | "doctor -o") _mplp_complete choices text json ;;
    "doctor --state-dir") _mplp_complete directory ;;
    "health --interval") _mplp_complete text ;;
    "health --fail-on") _mplp_complete choices warning degraded critical ;;
    "health --timeout") _mplp_complete text ;;
    "health --output" | "health -o") _mplp_complete choices text json ;;
    "health --state-dir") _mplp_complete directory ;;
    "metrics --since") _mplp_complete text ;;
    "metrics --output" | "metrics -o") _mplp_complete choices table json prometheus ;;
    "metrics --state-dir") _mplp_complete directory ;;
    *) : ;;
  esac
}

_mplp_options() {
  case "$verb" in
    "") _mplp_complete choices --version -V -h --help ;;
    "init") _mplp_complete choices --from --force -f --list -h --help ;;
    "examples") _mplp_complete choices --show --output -o --no-color -h --help ;;
    "validate") _mplp_complete choices --output -o --strict --no-color -h --help ;;
    "test") _mplp_complete choices --case -k --fail-fast --update --junit --output -o --no-color -h --help ;;
    "plan") _mplp_complete choices --output -o --state-dir --no-color -h --help ;;
    "run") _mplp_complete choices --input -i --inputs --output -o --dry-run --ephemeral --detach --junit --trace --env-file --secrets-file --record --replay --record-missing --strict --seed --priority --no-cache --state-dir --no-color -h --help ;;
    "resume") _mplp_complete choices --definition --accept-changes --output -o --detach --take-over --junit --trace --secrets-file --record --replay --record-missing --no-cache --state-dir --no-color -h --help ;;
    "retry") _mplp_complete choices --output -o --junit --trace --secrets-file --state-dir --no-color -h --help ;;
    "rerun") _mplp_complete choices --from --failed --only --input -i --definition --output -o --junit --trace --secrets-file --state-dir --no-color -h --help ;;
    "pause") _mplp_complete choices --reason --wait --no-wait --output -o --state-dir -h --help ;;
    "attach") _mplp_complete choices --output -o --junit --state-dir --no-color -h --help ;;
    "wait") _mplp_complete choices --timeout --state-dir -h --help ;;
    "cancel") _mplp_complete choices --reason --no-wait --output -o --secrets-file --state-dir -h --help ;;
    "kill") _mplp_complete choices --reason --no-wait --output -o --state-dir -h --help ;;
    "runs") _mplp_complete choices --workflow -w --status -s --all -a --since --limit -n --output -o --state-dir --no-color -h --help --keep-days --keep --dry-run --forget --yes -y ;;
    "status") _mplp_complete choices --output -o --state-dir --no-color -h --help ;;
    "logs") _mplp_complete choices --follow -f --attempt --history --raw --state-dir --no-color -h --help ;;
    "artifacts") _mplp_complete choices --output -o --state-dir --no-color -h --help ;;
    "explain") _mplp_complete choices --output -o --state-dir --no-color -h --help ;;
    "graph") _mplp_complete choices --format -f --state-dir --no-color -h --help ;;
    "report") _mplp_complete choices --html --svg --state-dir -h --help ;;
    "diff") _mplp_complete choices --all -a --exact --output -o --state-dir --no-color -h --help ;;
    "export") _mplp_complete choices --out --force -f --output -o --state-dir -h --help ;;
    "verify") _mplp_complete choices --output -o --no-color -h --help ;;
    "approvals") _mplp_complete choices --run -r --all -a --output -o --state-dir --no-color -h --help ;;
    "approve") _mplp_complete choices --reason --input -i --inputs --by --digest --output -o --state-dir -h --help ;;
    "reject") _mplp_complete choices --reason --by --digest --output -o --state-dir -h --help ;;
    "events") _mplp_complete choices --type -t --source --since --id --run --limit -n --output -o --state-dir --no-color -h --help --data -d --subject --time --cloud-event --follow -f --from --route -r --event -e --state -s --all --by --window -w --slide --lateness --field --file -f --rules -r ;;
    "triggers") _mplp_complete choices --output -o --state-dir --no-color -h --help --event --at --secrets-file ;;
    "alerts") _mplp_complete choices --active --output -o --state-dir --no-color -h --help --label -l --for --until --reason --by --all --since --samples ;;
    "serve") _mplp_complete choices --workflows -w --host --port -p --allow-host --at-once --queue --backlog --grace --openapi --secrets-file --output -o --state-dir -h --help ;;
    "call") _mplp_complete choices --param -p --params --output -o --state-dir --no-color -h --help ;;
    "agents") _mplp_complete choices --output -o --state-dir --no-color -h --help --capability -c --any-of --tag --kind --status --text --input -i --prompt ;;
    "interfaces") _mplp_complete choices --output -o --state-dir --no-color -h --help --input -i ;;
    "cassette") _mplp_complete choices --output -o --no-color -h --help ;;
    "modules") _mplp_complete choices --output -o --no-color -h --help --state-dir --type -t --data -d --remove --module -m --limit -n ;;
    "objects") _mplp_complete choices --kind --version --versions --output -o --state-dir --no-color -h --help --run --context --status -s --deleted --limit -n ;;
    "optimize") _mplp_complete choices --metrics --undo --dry-run --lang --output -o --state-dir --no-color -h --help ;;
    "capacity") _mplp_complete choices --horizon --history --method --output -o --state-dir --no-color -h --help --undo ;;
    "resources") _mplp_complete choices --output -o --state-dir --no-color -h --help --since --dry-run --cpu --memory --network --storage --custom --strategy ;;
    "backup") _mplp_complete choices --force -f --output -o --state-dir -h --help ;;
    "monitor") _mplp_complete choices --interval -i --count -n --output -o --state-dir --no-color -h --help ;;
    "doctor") _mplp_complete choices --repair --output -o --state-dir --no-color -h --help ;;
    "health") _mplp_complete choices --watch --interval --fail-on --timeout --output -o --state-dir --no-color -h --help ;;
    "metrics") _mplp_complete choices --since --output -o --state-dir --no-color -h --help ;;
    "schema") _mplp_complete choices --list -h --help ;;
    "completion") _mplp_complete choices -h --help ;;
    "help") _mplp_complete choices --no-color -h --help ;;
    *) : ;;
  esac
}

_mplp_argument() {
  case "$verb ${#positional[@]}" in
    "init 0") _mplp_complete file ;;
    "examples 0") _mplp_complete examples ;;
    "validate "*) _mplp_complete workflow ;;
    "test "*) _mplp_complete file ;;
    "plan 0") _mplp_complete workflow ;;
    "run 0") _mplp_complete workflow ;;
    "resume 0") _mplp_complete runs ;;
    "retry 0") _mplp_complete runs ;;
    "retry 1") _mplp_complete steps ;;
    "rerun 0") _mplp_complete runs ;;
    "pause 0") _mplp_complete runs ;;
    "attach 0") _mplp_complete runs ;;
    "wait 0") _mplp_complete runs ;;
    "cancel 0") _mplp_complete runs ;;
    "kill 0") _mplp_complete runs ;;
    "runs 0") _mplp_complete choices list prune ;;
    "status 0") _mplp_complete runs ;;
    "logs 0") _mplp_complete runs ;;
    "logs 1") _mplp_complete steps ;;
    "artifacts 0") _mplp_complete runs ;;
    "artifacts 1") _mplp_complete steps ;;
    "explain 0") _mplp_complete runs ;;
    "explain 1") _mplp_complete steps ;;
    "graph 0") _mplp_complete workflow ;;
    "report 0") _mplp_complete runs ;;
    "diff 0") _mplp_complete runs ;;
    "diff 1") _mplp_complete runs ;;
    "export 0") _mplp_complete runs ;;
    "verify "*) _mplp_complete file ;;
    "approve 0") _mplp_complete runs ;;
    "approve 1") _mplp_complete steps ;;
    "reject 0") _mplp_complete runs ;;
    "reject 1") _mplp_complete steps ;;
    "events 0") _mplp_complete choices list emit show tail routes deliveries dead-letter aggregate correlate ;;
    "events 1") _mplp_complete text ;;
    "events 2") _mplp_complete text ;;
    "events "*) _mplp_complete text ;;
    "triggers 0") _mplp_complete choices list test fire ;;
    "triggers "*) _mplp_complete workflow ;;
    "triggers 2") _mplp_complete text ;;
    "alerts 0") _mplp_complete choices list show silence unsilence test ;;
    "alerts 1") _mplp_complete alerts ;;
    "call 0") _mplp_complete operations ;;
    "agents 0") _mplp_complete choices list show register unregister discover capabilities heartbeat doctor call ping ;;
    "agents 1") _mplp_complete agents ;;
    "interfaces 0") _mplp_complete choices list activate deactivate call ;;
    "interfaces "*) _mplp_complete modules ;;
    "cassette 0") _mplp_complete choices show diff check ;;
    "cassette 1") _mplp_complete file ;;
    "cassette 2") _mplp_complete text ;;
    "modules 0") _mplp_complete choices describe list show status initialize start stop restart send broadcast subscribe log ;;
    "modules 1") _mplp_complete operations ;;
    "modules 2") _mplp_complete modules ;;
    "objects 0") _mplp_complete choices show list ;;
    "objects 1") _mplp_complete objects ;;
    "capacity 0") _mplp_complete choices plan apply scale ;;
    "capacity 1") _mplp_complete text ;;
    "resources 0") _mplp_complete choices show utilization optimize allocate release ;;
    "resources 1") _mplp_complete allocations ;;
    "backup 0") _mplp_complete file ;;
    "health "*) _mplp_complete components ;;
    "metrics "*) _mplp_complete text ;;
    "schema 0") _mplp_complete schemas ;;
    "completion 0") _mplp_complete choices bash zsh fish powershell ;;
    "help 0") _mplp_complete topics init examples validate test plan run resume retry rerun pause attach wait cancel kill runs status logs artifacts explain graph report diff export verify approvals approve reject events triggers alerts serve call agents interfaces cassette modules objects optimize capacity resources backup monitor doctor health metrics schema completion help ;;
    *) _mplp_options ;;
  esac
}

_mplp() {
  local words cur before='' word option='' verb='' positional state='' program=${1/#\~/$HOME} i
  positional=()
  COMPREPLY=()
  _mplp_words
  for ((i = 1; i < ${#words[@]} - 1; i++)); do
    word=${words[i]}
    if [[ -n $option ]]; then
      [[ $option == --state-dir ]] && state=$word
      option=''
    elif [[ $word == --state-dir=* ]]; then
      state=${word#*=}
    elif [[ $word == -?* ]]; then
      _mplp_takes_value && option=$word
    elif [[ -z $verb ]]; then
      verb=$word
    else
      positional[${#positional[@]}]=$word
    fi
  done
  cur=${words[${#words[@]}-1]}
  if [[ -z $option && $cur == --*=* ]]; then
    option=${cur%%=*}
    before=$option=
    cur=${cur#*=}
  fi
  if [[ -n $option ]]; then
    _mplp_value
  elif [[ $cur == -?* || $cur == - ]]; then
    _mplp_options
  elif [[ -z $verb ]]; then
    _mplp_complete choices init examples validate test plan run resume retry rerun pause attach wait cancel kill runs status logs artifacts explain graph report diff export verify approvals approve reject events triggers alerts serve call agents interfaces cassette modules objects optimize capacity resources backup monitor doctor health metrics schema completion help
  else
    _mplp_argument
  fi
  # Bash puts in what follows the last `:` or `=`.
  word=$before$cur
  for i in : =; do
    if [[ $COMP_WORDBREAKS == *$i* && $word == *$i* ]]; then
      before=${word%"${word##*"$i"}"}
      COMPREPLY=("${COMPREPLY[@]#"$before"}")
    fi
  done
}

complete -F _mplp mplp
