# Completion of mplp for fish. Made by `mplp completion fish`; changes will be lost.
#
#   mplp completion fish > ~/.config/fish/completions/mplp.fish

# Prints the command and its arguments up to the cursor, without options; a last line `--state-dir DIR` if it is given.
function __mplp_words
    set -l verb ''
    set -l option ''
    set -l state ''
    for word in (commandline -opc)[2..-1]
        if test -n "$option"
            test "$option" = --state-dir; and set state $word
            set option ''
        else if string match -q -- '--state-dir=*' $word
            set state (string replace -- --state-dir= '' $word)
        else if string match -qr -- '^-.' $word
            if contains -- "$verb $word" $__mplp_valued
                set option $word
            end
        else
            test -z "$verb"; and set verb $word
            echo -- $word
        end
    end
    test -n "$state"; and echo -- "--state-dir $state"
end

# Whether the cursor is behind this command (with no name: before all commands).
function __mplp_verb
    set -l words (__mplp_words | string match -v -- '--state-dir *')
    test "$words[1]" = "$argv[1]"
end

# Whether the cursor is at argument N, from 0, of this command.
function __mplp_at
    set -l words (__mplp_words | string match -v -- '--state-dir *')
    test "$words[1]" = "$argv[1]"; and test (count $words) -eq (math $argv[2] + 1)
end

# Asks mplp itself.
function __mplp_ask
    set -l words (__mplp_words)
    set -l program (commandline -opc)[1]
    set -l state (string replace -- '--state-dir ' '' (string match -- '--state-dir *' $words))
    test -n "$state"; and set -lx MPLP_STATE_DIR $state
    switch $argv[1]
        case runs
            $program __complete runs $words[1] 2>/dev/null
        case steps
            $program __complete steps $words[1] $words[2] 2>/dev/null
        case '*'
            $program __complete $argv 2>/dev/null
    end
end

set -g __mplp_valued 'init --from' 'examples --output' 'examples -o' 'validate --output' 'validate -o' 'test --case' 'test -k' 'test --junit' 'test --output' 'test -o' 'plan --output' 'plan -o' 'plan --state-dir' 'run --input' 'run -i' 'run --inputs' 'run --output' 'run -o' 'run --junit' 'run --env-file' 'run --secrets-file' 'run --record' 'run --replay' 'run --record-missing' 'run --seed' 'run --priority' 'run --state-dir' 'resume --definition' 'resume --output' 'resume -o' 'resume --junit' 'resume --secrets-file' 'resume --record' 'resume --replay' 'resume --record-missing' 'resume --state-dir' 'retry --output' 'retry -o' 'retry --junit' 'retry --secrets-file' 'retry --state-dir' 'rerun --from' 'rerun --only' 'rerun --input' 'rerun -i' 'rerun --definition' 'rerun --output' 'rerun -o' 'rerun --junit' 'rerun --secrets-file' 'rerun --state-dir' 'pause --reason' 'pause --output' 'pause -o' 'pause --state-dir' 'attach --output' 'attach -o' 'attach --junit' 'attach --state-dir' 'wait --timeout' 'wait --state-dir' 'cancel --reason' 'cancel --output' 'cancel -o' 'cancel --secrets-file' 'cancel --state-dir' 'kill --reason' 'kill --output' 'kill -o' 'kill --state-dir' 'runs --workflow' 'runs -w' 'runs --status' 'runs -s' 'runs --since' 'runs --limit' 'runs -n' 'runs --output' 'runs -o' 'runs --state-dir' 'runs --keep-days' 'runs --keep' 'runs --forget' 'status --output' 'status -o' 'status --state-dir' 'logs --attempt' 'logs --state-dir' 'artifacts --output' 'artifacts -o' 'artifacts --state-dir' 'explain --output' 'explain -o' 'explain --state-dir' 'diff --output' 'diff -o' 'diff --state-dir' 'export --out' 'export --output' 'export -o' 'export --state-dir' 'verify --output' 'verify -o' 'approvals --run' 'approvals -r' 'approvals --output' 'approvals -o' 'approvals --state-dir' 'approve --reason' 'approve --input' 'approve -i' 'approve --inputs' 'approve --by' 'approve --digest' 'approve --output' 'approve -o' 'approve --state-dir' 'reject --reason' 'reject --by' 'reject --digest' 'reject --output' 'reject -o' 'reject --state-dir' 'events --type' 'events -t' 'events --source' 'events --since' 'events --id' 'events --run' 'events --limit' 'events -n' 'events --output' 'events -o' 'events --state-dir' 'events --data' 'events -d' 'events --subject' 'events --time' 'events --cloud-event' 'events --from' 'events --route' 'events -r' 'events --event' 'events -e' 'events --state' 'events -s' 'events --by' 'events --window' 'events -w' 'events --slide' 'events --lateness' 'events --field' 'events --file' 'events -f' 'events --rules' 'events -r' 'triggers --output' 'triggers -o' 'triggers --state-dir' 'triggers --event' 'triggers --at' 'triggers --secrets-file' 'serve --workflows' 'serve -w' 'serve --host' 'serve --port' 'serve -p' 'serve --allow-host' 'serve --at-once' 'serve --queue' 'serve --backlog' 'serve --grace' 'serve --secrets-file' 'serve --output' 'serve -o' 'serve --state-dir' 'call --param' 'call -p' 'call --params' 'call --output' 'call -o' 'call --state-dir' 'agents --output' 'agents -o' 'agents --state-dir' 'agents --capability' 'agents -c' 'agents --any-of' 'agents --tag' 'agents --kind' 'agents --status' 'agents --text' 'agents --input' 'agents -i' 'agents --prompt' 'interfaces --output' 'interfaces -o' 'interfaces --state-dir' 'interfaces --input' 'interfaces -i' 'cassette --output' 'cassette -o' 'modules --output' 'modules -o' 'modules --state-dir' 'modules --type' 'modules -t' 'modules --data' 'modules -d' 'modules --module' 'modules -m' 'modules --limit' 'modules -n' 'objects --kind' 'objects --version' 'objects --output' 'objects -o' 'objects --state-dir' 'objects --run' 'objects --context' 'objects --status' 'objects -s' 'objects --limit' 'objects -n' 'optimize --metrics' 'optimize --lang' 'optimize --output' 'optimize -o' 'optimize --state-dir' 'capacity --horizon' 'capacity --history' 'capacity --method' 'capacity --output' 'capacity -o' 'capacity --state-dir' 'resources --output' 'resources -o' 'resources --state-dir' 'resources --since' 'resources --cpu' 'resources --memory' 'resources --network' 'resources --storage' 'resources --custom' 'resources --strategy' 'backup --output' 'backup -o' 'backup --state-dir' 'doctor --output' 'doctor -o' 'doctor --state-dir' 'health --interval' 'health --fail-on' 'health --timeout' 'health --output' 'health -o' 'health --state-dir'

complete -c mplp -f
complete -c mplp -n '__mplp_verb \'\'' -a init -d 'Write a commented workflow to start from'
complete -c mplp -n '__mplp_verb \'\'' -a examples -d 'List the workflows that come with mplp, or print one'
complete -c mplp -n '__mplp_verb \'\'' -a validate -d 'Check workflow files and show every problem with its place'
complete -c mplp -n '__mplp_verb \'\'' -a test -d 'Run the test cases of workflows, offline'
complete -c mplp -n '__mplp_verb \'\'' -a plan -d 'Show what a run would do'
complete -c mplp -n '__mplp_verb \'\'' -a run -d 'Validate a workflow and run it'
complete -c mplp -n '__mplp_verb \'\'' -a resume -d 'Go on with a paused, interrupted, waiting or failed run'
complete -c mplp -n '__mplp_verb \'\'' -a retry -d 'Try the failed steps of a failed run again, in the same run'
complete -c mplp -n '__mplp_verb \'\'' -a rerun -d 'Run an ended run again, as a new run that is linked to it'
complete -c mplp -n '__mplp_verb \'\'' -a pause -d 'Pause a run: attempts that run finish, nothing new starts'
complete -c mplp -n '__mplp_verb \'\'' -a attach -d 'Follow a run that another process drives, as if this one did'
complete -c mplp -n '__mplp_verb \'\'' -a wait -d 'Wait until a run has ended, or only a person can take it on'
complete -c mplp -n '__mplp_verb \'\'' -a cancel -d 'Cancel a run'
complete -c mplp -n '__mplp_verb \'\'' -a kill -d 'End a run at once, as a second Ctrl-C does'
complete -c mplp -n '__mplp_verb \'\'' -a runs -d 'List runs, newest first'
complete -c mplp -n '__mplp_verb \'\'' -a status -d 'Show where a run stands'
complete -c mplp -n '__mplp_verb \'\'' -a logs -d 'Print what the steps of a run have written'
complete -c mplp -n '__mplp_verb \'\'' -a artifacts -d 'List the files that the steps of a run have left'
complete -c mplp -n '__mplp_verb \'\'' -a explain -d 'Explain why a step is what it is'
complete -c mplp -n '__mplp_verb \'\'' -a diff -d 'Show where two runs of a workflow part'
complete -c mplp -n '__mplp_verb \'\'' -a export -d 'Write a run as documents of the protocol'
complete -c mplp -n '__mplp_verb \'\'' -a verify -d 'Check an export, or documents of the protocol'
complete -c mplp -n '__mplp_verb \'\'' -a approvals -d 'List what runs ask a person'
complete -c mplp -n '__mplp_verb \'\'' -a approve -d 'Say yes to what a step asks'
complete -c mplp -n '__mplp_verb \'\'' -a reject -d 'Say no to what a step asks: the step fails'
complete -c mplp -n '__mplp_verb \'\'' -a events -d 'List the last published events, in their order'
complete -c mplp -n '__mplp_verb \'\'' -a triggers -d 'List triggers: when they fire next, what they started last'
complete -c mplp -n '__mplp_verb \'\'' -a serve -d 'Serve workflows and what triggers them, over HTTP'
complete -c mplp -n '__mplp_verb \'\'' -a call -d 'Call one operation of a module, without a workflow'
complete -c mplp -n '__mplp_verb \'\'' -a agents -d 'List the agents of files, and those that were registered'
complete -c mplp -n '__mplp_verb \'\'' -a interfaces -d 'List the reserved interfaces, inert or taken over by agents'
complete -c mplp -n '__mplp_verb \'\'' -a cassette -d 'Look at recorded answers of agents: show, diff, check'
complete -c mplp -n '__mplp_verb \'\'' -a modules -d 'List the modules, those of packages too, and how they stand'
complete -c mplp -n '__mplp_verb \'\'' -a objects -d 'List the objects that operations wrote, last changed first'
complete -c mplp -n '__mplp_verb \'\'' -a optimize -d 'Find bottlenecks, do what is safe, and say what else helps'
complete -c mplp -n '__mplp_verb \'\'' -a capacity -d 'Plan what runs will require, and scale to it'
complete -c mplp -n '__mplp_verb \'\'' -a resources -d 'Show the pool: what there is, who holds it, who waits for it'
complete -c mplp -n '__mplp_verb \'\'' -a backup -d 'Write a copy of the store, also while runs go on'
complete -c mplp -n '__mplp_verb \'\'' -a doctor -d 'Find out what is wrong with the state directory, and mend it'
complete -c mplp -n '__mplp_verb \'\'' -a health -d 'Check whether mplp can do its work'
complete -c mplp -n '__mplp_verb \'\'' -a schema -d 'Print a JSON Schema that comes with mplp'
complete -c mplp -n '__mplp_verb \'\'' -a completion -d 'Print the completion script of a shell'
complete -c mplp -n '__mplp_verb \'\'' -a help -d 'Show the reference: a page of it, or the list of its pages'

complete -c mplp -n '__mplp_verb \'\'' -s V -l version -d 'Print the version and exit'
complete -c mplp -n '__mplp_verb \'\'' -s h -l help -d 'Show the help and exit'

complete -c mplp -n '__mplp_verb init' -l from -x -k -a '(__mplp_ask examples)' -d 'Start from a bundled workflow instead'
complete -c mplp -n '__mplp_verb init' -s f -l force -d 'Write over a file that is there'
complete -c mplp -n '__mplp_verb init' -l list -d 'Print what --from takes and stop'
complete -c mplp -n '__mplp_verb init' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at init 0' -F

complete -c mplp -n '__mplp_verb examples' -l show -d 'Print the file of EXAMPLE'
complete -c mplp -n '__mplp_verb examples' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb examples' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb examples' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at examples 0' -k -a '(__mplp_ask examples)'

complete -c mplp -n '__mplp_verb validate' -s o -l output -x -a 'text json github sarif' -d 'How to show what is found'
complete -c mplp -n '__mplp_verb validate' -l strict -d 'Warnings make a file invalid too'
complete -c mplp -n '__mplp_verb validate' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb validate' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_verb validate' -F
complete -c mplp -n '__mplp_verb validate' -a '(__mplp_ask examples run)'

complete -c mplp -n '__mplp_verb test' -s k -l case -x -d 'Only cases whose name contains it'
complete -c mplp -n '__mplp_verb test' -l fail-fast -d 'Stop after the first that fails'
complete -c mplp -n '__mplp_verb test' -l update -d 'Write what came out in the place of expected values'
complete -c mplp -n '__mplp_verb test' -l junit -r -F -d 'Write a JUnit report to FILE'
complete -c mplp -n '__mplp_verb test' -s o -l output -x -a 'text json github' -d 'How to show the cases'
complete -c mplp -n '__mplp_verb test' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb test' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_verb test' -F

complete -c mplp -n '__mplp_verb plan' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb plan' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb plan' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb plan' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at plan 0' -F
complete -c mplp -n '__mplp_at plan 0' -a '(__mplp_ask examples run)'

complete -c mplp -n '__mplp_verb run' -s i -l input -x -d 'A run input (repeatable)'
complete -c mplp -n '__mplp_verb run' -l inputs -r -F -d 'Run inputs as YAML or JSON'
complete -c mplp -n '__mplp_verb run' -s o -l output -x -a 'auto json jsonl github quiet' -d 'How to show the run'
complete -c mplp -n '__mplp_verb run' -l dry-run -d 'Print the plan and stop'
complete -c mplp -n '__mplp_verb run' -l ephemeral -d 'Keep nothing on disk'
complete -c mplp -n '__mplp_verb run' -l detach -d 'Leave the run to a process of its own and print its id'
complete -c mplp -n '__mplp_verb run' -l junit -r -F -d 'Write a JUnit report to FILE'
complete -c mplp -n '__mplp_verb run' -l env-file -r -F -d 'More environment (NAME=value lines)'
complete -c mplp -n '__mplp_verb run' -l secrets-file -r -F -d 'Secrets that are not in the environment (NAME=value lines)'
complete -c mplp -n '__mplp_verb run' -l record -x -d 'Write down what agents are asked and answer'
complete -c mplp -n '__mplp_verb run' -l replay -x -d 'Ask no agent: what was recorded answers'
complete -c mplp -n '__mplp_verb run' -l record-missing -x -d 'Replay what is there, ask and add the rest'
complete -c mplp -n '__mplp_verb run' -l strict -d 'With --replay: every answer is given once, and all have to be'
complete -c mplp -n '__mplp_verb run' -l seed -x -d 'Ids of objects follow from N'
complete -c mplp -n '__mplp_verb run' -l priority -x -d 'Runs share the pool by it: higher first'
complete -c mplp -n '__mplp_verb run' -l no-cache -d 'Take no result from the cache'
complete -c mplp -n '__mplp_verb run' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb run' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb run' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at run 0' -F
complete -c mplp -n '__mplp_at run 0' -a '(__mplp_ask examples run)'

complete -c mplp -n '__mplp_verb resume' -l definition -r -F -d 'Another definition of the same workflow'
complete -c mplp -n '__mplp_verb resume' -l accept-changes -d 'Go on although what is done already has changed'
complete -c mplp -n '__mplp_verb resume' -s o -l output -x -a 'auto json jsonl github quiet' -d 'How to show the run'
complete -c mplp -n '__mplp_verb resume' -l detach -d 'Leave the run to a process of its own and print its id'
complete -c mplp -n '__mplp_verb resume' -l take-over -d 'Also if another process holds the run: that one stops'
complete -c mplp -n '__mplp_verb resume' -l junit -r -F -d 'Write a JUnit report to FILE'
complete -c mplp -n '__mplp_verb resume' -l secrets-file -r -F -d 'Secrets that are not in the environment (NAME=value lines)'
complete -c mplp -n '__mplp_verb resume' -l record -x -d 'Write down what agents are asked and answer'
complete -c mplp -n '__mplp_verb resume' -l replay -x -d 'Ask no agent: what was recorded answers'
complete -c mplp -n '__mplp_verb resume' -l record-missing -x -d 'Replay what is there, ask and add the rest'
complete -c mplp -n '__mplp_verb resume' -l no-cache -d 'Take no result from the cache'
complete -c mplp -n '__mplp_verb resume' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb resume' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb resume' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at resume 0' -k -a '(__mplp_ask runs)'

complete -c mplp -n '__mplp_verb retry' -s o -l output -x -a 'auto json jsonl github quiet' -d 'How to show the run'
complete -c mplp -n '__mplp_verb retry' -l junit -r -F -d 'Write a JUnit report to FILE'
complete -c mplp -n '__mplp_verb retry' -l secrets-file -r -F -d 'Secrets that are not in the environment (NAME=value lines)'
complete -c mplp -n '__mplp_verb retry' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb retry' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb retry' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at retry 0' -k -a '(__mplp_ask runs)'
complete -c mplp -n '__mplp_at retry 1' -k -a '(__mplp_ask steps)'

complete -c mplp -n '__mplp_verb rerun' -l from -x -k -a '(__mplp_ask steps)' -d 'Run STEP and what depends on it'
complete -c mplp -n '__mplp_verb rerun' -l failed -d 'Run what did not complete and what depends on it'
complete -c mplp -n '__mplp_verb rerun' -l only -x -k -a '(__mplp_ask steps)' -d 'Run nothing but STEP'
complete -c mplp -n '__mplp_verb rerun' -s i -l input -x -d 'Another value of an input (repeatable)'
complete -c mplp -n '__mplp_verb rerun' -l definition -r -F -d 'Another definition of the same workflow'
complete -c mplp -n '__mplp_verb rerun' -s o -l output -x -a 'auto json jsonl github quiet' -d 'How to show the run'
complete -c mplp -n '__mplp_verb rerun' -l junit -r -F -d 'Write a JUnit report to FILE'
complete -c mplp -n '__mplp_verb rerun' -l secrets-file -r -F -d 'Secrets that are not in the environment (NAME=value lines)'
complete -c mplp -n '__mplp_verb rerun' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb rerun' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb rerun' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at rerun 0' -k -a '(__mplp_ask runs)'

complete -c mplp -n '__mplp_verb pause' -l reason -x -d 'Why, for the record'
complete -c mplp -n '__mplp_verb pause' -l wait -d 'Come back only when nothing runs any more, however long that takes'
complete -c mplp -n '__mplp_verb pause' -l no-wait -d 'Leave the request and do not wait until it is heard'
complete -c mplp -n '__mplp_verb pause' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb pause' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb pause' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at pause 0' -k -a '(__mplp_ask runs)'

complete -c mplp -n '__mplp_verb attach' -s o -l output -x -a 'auto json jsonl github quiet' -d 'How to show the run'
complete -c mplp -n '__mplp_verb attach' -l junit -r -F -d 'Write a JUnit report to FILE'
complete -c mplp -n '__mplp_verb attach' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb attach' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb attach' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at attach 0' -k -a '(__mplp_ask runs)'

complete -c mplp -n '__mplp_verb wait' -l timeout -x -d 'How long at most (30s, 5m)'
complete -c mplp -n '__mplp_verb wait' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb wait' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at wait 0' -k -a '(__mplp_ask runs)'

complete -c mplp -n '__mplp_verb cancel' -l reason -x -d 'Why, for the record'
complete -c mplp -n '__mplp_verb cancel' -l no-wait -d 'Leave the request and do not wait until it is heard'
complete -c mplp -n '__mplp_verb cancel' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb cancel' -l secrets-file -r -F -d 'Secrets that are not in the environment (NAME=value lines)'
complete -c mplp -n '__mplp_verb cancel' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb cancel' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at cancel 0' -k -a '(__mplp_ask runs)'

complete -c mplp -n '__mplp_verb kill' -l reason -x -d 'Why, for the record'
complete -c mplp -n '__mplp_verb kill' -l no-wait -d 'Leave the request and do not wait until it is heard'
complete -c mplp -n '__mplp_verb kill' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb kill' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb kill' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at kill 0' -k -a '(__mplp_ask runs)'

complete -c mplp -n '__mplp_verb runs' -s w -l workflow -x -k -a '(__mplp_ask workflows)' -d 'Only runs of the workflow with this id'
complete -c mplp -n '__mplp_verb runs' -s s -l status -x -a 'pending running interrupted waiting paused completed failed cancelled' -d 'Only runs that are: pending, running, interrupted, waiting, paused, completed, failed, cancelled'
complete -c mplp -n '__mplp_verb runs' -s a -l all -d 'Also the runs of sub-workflows'
complete -c mplp -n '__mplp_verb runs' -l since -x -d 'Only runs that began since: 30m, 2d, or 2030-01-31T09:00:00Z'
complete -c mplp -n '__mplp_verb runs' -s n -l limit -x -d 'At most so many'
complete -c mplp -n '__mplp_verb runs' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb runs' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb runs' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb runs' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_verb runs' -l keep-days -x -d 'Keep what ended in the last DAYS days'
complete -c mplp -n '__mplp_verb runs' -l keep -x -d 'Keep the N runs that ended last'
complete -c mplp -n '__mplp_verb runs' -l dry-run -d 'Say what would be deleted'
complete -c mplp -n '__mplp_verb runs' -l forget -x -d 'Keep no events for this route, rule or trigger, which is no more'
complete -c mplp -n '__mplp_verb runs' -s y -l yes -d 'Do not ask'
complete -c mplp -n '__mplp_at runs 0' -a 'list prune'

complete -c mplp -n '__mplp_verb status' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb status' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb status' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb status' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at status 0' -k -a '(__mplp_ask runs)'

complete -c mplp -n '__mplp_verb logs' -s f -l follow -d 'Go on until the run ends'
complete -c mplp -n '__mplp_verb logs' -l attempt -x -d 'Only this attempt'
complete -c mplp -n '__mplp_verb logs' -l history -d 'Print the facts of the run, one JSON object a line'
complete -c mplp -n '__mplp_verb logs' -l raw -d 'Print control characters as they are'
complete -c mplp -n '__mplp_verb logs' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb logs' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb logs' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at logs 0' -k -a '(__mplp_ask runs)'
complete -c mplp -n '__mplp_at logs 1' -k -a '(__mplp_ask steps)'

complete -c mplp -n '__mplp_verb artifacts' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb artifacts' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb artifacts' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb artifacts' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at artifacts 0' -k -a '(__mplp_ask runs)'
complete -c mplp -n '__mplp_at artifacts 1' -k -a '(__mplp_ask steps)'

complete -c mplp -n '__mplp_verb explain' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb explain' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb explain' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb explain' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at explain 0' -k -a '(__mplp_ask runs)'
complete -c mplp -n '__mplp_at explain 1' -k -a '(__mplp_ask steps)'

complete -c mplp -n '__mplp_verb diff' -s a -l all -d 'Also list the steps that are the same'
complete -c mplp -n '__mplp_verb diff' -l exact -d 'Ids and times that every run makes anew are differences, too'
complete -c mplp -n '__mplp_verb diff' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb diff' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb diff' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb diff' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at diff 0' -k -a '(__mplp_ask runs)'
complete -c mplp -n '__mplp_at diff 1' -k -a '(__mplp_ask runs)'

complete -c mplp -n '__mplp_verb export' -l out -x -a '(__fish_complete_directories)' -d 'The directory to write'
complete -c mplp -n '__mplp_verb export' -s f -l force -d 'Replace the files of an earlier export'
complete -c mplp -n '__mplp_verb export' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb export' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb export' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at export 0' -k -a '(__mplp_ask runs)'

complete -c mplp -n '__mplp_verb verify' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb verify' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb verify' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_verb verify' -F

complete -c mplp -n '__mplp_verb approvals' -s r -l run -x -k -a '(__mplp_ask runs)' -d 'Only what this run asks'
complete -c mplp -n '__mplp_verb approvals' -s a -l all -d 'Also what is answered or withdrawn'
complete -c mplp -n '__mplp_verb approvals' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb approvals' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb approvals' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb approvals' -s h -l help -d 'Show the help and exit'

complete -c mplp -n '__mplp_verb approve' -l reason -x -d 'Why, for the record'
complete -c mplp -n '__mplp_verb approve' -s i -l input -x -d 'An input that the question takes (repeatable)'
complete -c mplp -n '__mplp_verb approve' -l inputs -r -F -d 'Those inputs as YAML or JSON'
complete -c mplp -n '__mplp_verb approve' -l by -x -d 'Who answers'
complete -c mplp -n '__mplp_verb approve' -l digest -x -d 'Only if this is still what is asked (`mplp approvals --output json` has it)'
complete -c mplp -n '__mplp_verb approve' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb approve' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb approve' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at approve 0' -k -a '(__mplp_ask runs)'
complete -c mplp -n '__mplp_at approve 1' -k -a '(__mplp_ask steps)'

complete -c mplp -n '__mplp_verb reject' -l reason -x -d 'Why, for the record'
complete -c mplp -n '__mplp_verb reject' -l by -x -d 'Who answers'
complete -c mplp -n '__mplp_verb reject' -l digest -x -d 'Only if this is still what is asked (`mplp approvals --output json` has it)'
complete -c mplp -n '__mplp_verb reject' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb reject' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb reject' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at reject 0' -k -a '(__mplp_ask runs)'
complete -c mplp -n '__mplp_at reject 1' -k -a '(__mplp_ask steps)'

complete -c mplp -n '__mplp_verb events' -s t -l type -x -d 'Only events of this type'
complete -c mplp -n '__mplp_verb events' -l source -x -d 'Only events of this source'
complete -c mplp -n '__mplp_verb events' -l since -x -d 'Only events of that time or later: 30m, 2d, or 2030-01-31T09:00:00Z'
complete -c mplp -n '__mplp_verb events' -l id -x -d 'Only events with this id'
complete -c mplp -n '__mplp_verb events' -l run -x -k -a '(__mplp_ask runs)' -d 'Only what the steps of a run have published, and what tells of it'
complete -c mplp -n '__mplp_verb events' -s n -l limit -x -d 'At most so many'
complete -c mplp -n '__mplp_verb events' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb events' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb events' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb events' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_verb events' -s d -l data -x -d 'What it carries: JSON, @FILE, or @- for stdin'
complete -c mplp -n '__mplp_verb events' -l subject -x -d 'What it is about'
complete -c mplp -n '__mplp_verb events' -l time -x -d 'When it happened'
complete -c mplp -n '__mplp_verb events' -l cloud-event -r -F -d 'Publish what FILE (`-`: stdin) has: one CloudEvent, a list of them, or one a line'
complete -c mplp -n '__mplp_verb events' -s f -l follow -d 'Print what is published from now on, too'
complete -c mplp -n '__mplp_verb events' -l from -x -d 'Begin with the event of that number, whatever came since'
complete -c mplp -n '__mplp_verb events' -s r -l route -x -d 'Only of this route'
complete -c mplp -n '__mplp_verb events' -s e -l event -x -d 'Only of this event: its id or number'
complete -c mplp -n '__mplp_verb events' -s s -l state -x -a 'delivered retrying dead dropped' -d 'Only in this state'
complete -c mplp -n '__mplp_verb events' -l all -d 'Replay or drop all of the route, or of all routes'
complete -c mplp -n '__mplp_verb events' -l by -x -d 'What events are put together by: type, source, window (all of a window), or an expression'
complete -c mplp -n '__mplp_verb events' -s w -l window -x -d 'Windows so long, such as 5m'
complete -c mplp -n '__mplp_verb events' -l slide -x -d 'A window begins so often'
complete -c mplp -n '__mplp_verb events' -l lateness -x -d 'Leave out, and list, events that came so much later than others'
complete -c mplp -n '__mplp_verb events' -l field -x -d 'Sum up these numbers of the events, such as data.duration'
complete -c mplp -n '__mplp_verb events' -s f -l file -r -F -d 'The events of FILE (`-`: stdin) instead of those that were published: one CloudEvent a line, or a list'
complete -c mplp -n '__mplp_verb events' -s r -l rules -r -F -d 'A YAML or JSON file with the key correlation-rules'
complete -c mplp -n '__mplp_at events 0' -a 'list emit show tail routes deliveries dead-letter aggregate correlate'

complete -c mplp -n '__mplp_verb triggers' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb triggers' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb triggers' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb triggers' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_verb triggers' -l event -x -d 'The event: a CloudEvent, or those of its attributes that matter'
complete -c mplp -n '__mplp_verb triggers' -l at -x -d 'A moment, such as 2027-01-31T09:00:00Z'
complete -c mplp -n '__mplp_verb triggers' -l secrets-file -r -F -d 'Secrets that are not in the environment (NAME=value lines)'
complete -c mplp -n '__mplp_at triggers 0' -a 'list test fire'
complete -c mplp -n '__mplp_verb triggers' -F
complete -c mplp -n '__mplp_verb triggers' -a '(__mplp_ask examples run)'

complete -c mplp -n '__mplp_verb serve' -s w -l workflows -r -F -d 'A workflow file, or a directory of them (repeatable)'
complete -c mplp -n '__mplp_verb serve' -l host -x -d 'Where to listen'
complete -c mplp -n '__mplp_verb serve' -s p -l port -x -d '0 takes a free one'
complete -c mplp -n '__mplp_verb serve' -l allow-host -x -d 'Another name that the server goes by, of a proxy for example (repeatable)'
complete -c mplp -n '__mplp_verb serve' -l at-once -x -d 'At most so many runs at work'
complete -c mplp -n '__mplp_verb serve' -l queue -x -d 'At most so many runs wait'
complete -c mplp -n '__mplp_verb serve' -l backlog -x -d 'At most so many events wait'
complete -c mplp -n '__mplp_verb serve' -l grace -x -d 'What a stop leaves to steps at work'
complete -c mplp -n '__mplp_verb serve' -l openapi -d 'Print the OpenAPI document of the API and stop'
complete -c mplp -n '__mplp_verb serve' -l secrets-file -r -F -d 'Secrets that are not in the environment (NAME=value lines)'
complete -c mplp -n '__mplp_verb serve' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb serve' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb serve' -s h -l help -d 'Show the help and exit'

complete -c mplp -n '__mplp_verb call' -s p -l param -x -d 'A parameter (repeatable)'
complete -c mplp -n '__mplp_verb call' -l params -x -d 'Parameters as JSON or YAML: text, @FILE, or `-` for stdin'
complete -c mplp -n '__mplp_verb call' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb call' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb call' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb call' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at call 0' -k -a '(__mplp_ask operations)'

complete -c mplp -n '__mplp_verb agents' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb agents' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb agents' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb agents' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_verb agents' -s c -l capability -x -d 'It offers this'
complete -c mplp -n '__mplp_verb agents' -l any-of -x -d 'It offers one of these'
complete -c mplp -n '__mplp_verb agents' -l tag -x -d 'It has this tag'
complete -c mplp -n '__mplp_verb agents' -l kind -x -k -a '(__mplp_ask kinds)' -d 'It is of this kind'
complete -c mplp -n '__mplp_verb agents' -l status -x -a 'active degraded unreachable' -d 'It stands like this'
complete -c mplp -n '__mplp_verb agents' -l text -x -d 'Part of its id, name or description'
complete -c mplp -n '__mplp_verb agents' -s i -l input -x -d 'Data: JSON or YAML, @FILE, or `-` for stdin'
complete -c mplp -n '__mplp_verb agents' -l prompt -x -d 'Text'
complete -c mplp -n '__mplp_at agents 0' -a 'list show register unregister discover capabilities heartbeat doctor call ping'
complete -c mplp -n '__mplp_at agents 1' -k -a '(__mplp_ask agents)'

complete -c mplp -n '__mplp_verb interfaces' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb interfaces' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb interfaces' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb interfaces' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_verb interfaces' -s i -l input -x -d 'Parameters: JSON or YAML, @FILE, or `-` for stdin'
complete -c mplp -n '__mplp_at interfaces 0' -a 'list activate deactivate call'
complete -c mplp -n '__mplp_verb interfaces' -k -a '(__mplp_ask modules)'

complete -c mplp -n '__mplp_verb cassette' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb cassette' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb cassette' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at cassette 0' -a 'show diff check'
complete -c mplp -n '__mplp_at cassette 1' -F

complete -c mplp -n '__mplp_verb modules' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb modules' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb modules' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_verb modules' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb modules' -s t -l type -x -d 'Such as plan.created'
complete -c mplp -n '__mplp_verb modules' -s d -l data -x -d 'What it carries: JSON, @FILE, or @- for stdin'
complete -c mplp -n '__mplp_verb modules' -l remove -d 'Take the subscription back'
complete -c mplp -n '__mplp_verb modules' -s m -l module -x -k -a '(__mplp_ask modules)' -d 'Only from or to this module'
complete -c mplp -n '__mplp_verb modules' -s n -l limit -x -d 'At most so many'
complete -c mplp -n '__mplp_at modules 0' -a 'describe list show status initialize start stop restart send broadcast subscribe log'
complete -c mplp -n '__mplp_at modules 1' -k -a '(__mplp_ask operations)'
complete -c mplp -n '__mplp_at modules 2' -k -a '(__mplp_ask modules)'

complete -c mplp -n '__mplp_verb objects' -l kind -x -k -a '(__mplp_ask kinds)' -d 'The kind it is of'
complete -c mplp -n '__mplp_verb objects' -l version -x -d 'This version, not the last'
complete -c mplp -n '__mplp_verb objects' -l versions -d 'List the versions instead'
complete -c mplp -n '__mplp_verb objects' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb objects' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb objects' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb objects' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_verb objects' -l run -x -k -a '(__mplp_ask runs)' -d 'Only objects that this run has made'
complete -c mplp -n '__mplp_verb objects' -l context -x -d 'Only this context and what belongs to it'
complete -c mplp -n '__mplp_verb objects' -s s -l status -x -d 'Only objects that are so'
complete -c mplp -n '__mplp_verb objects' -l deleted -d 'Also objects that were deleted'
complete -c mplp -n '__mplp_verb objects' -s n -l limit -x -d 'At most so many'
complete -c mplp -n '__mplp_at objects 0' -a 'show list'
complete -c mplp -n '__mplp_at objects 1' -k -a '(__mplp_ask objects)'

complete -c mplp -n '__mplp_verb optimize' -l metrics -r -F -d 'Metrics, instead of measuring'
complete -c mplp -n '__mplp_verb optimize' -l undo -d 'Take back what was adjusted last'
complete -c mplp -n '__mplp_verb optimize' -l dry-run -d 'Say what would be done'
complete -c mplp -n '__mplp_verb optimize' -l lang -x -a 'en zh' -d 'How bottlenecks are told'
complete -c mplp -n '__mplp_verb optimize' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb optimize' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb optimize' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb optimize' -s h -l help -d 'Show the help and exit'

complete -c mplp -n '__mplp_verb capacity' -l horizon -x -d 'How far to look ahead: 12h, 7d, at most 92d'
complete -c mplp -n '__mplp_verb capacity' -l history -r -F -d 'Past runs, instead of those of the store'
complete -c mplp -n '__mplp_verb capacity' -l method -x -a 'seasonal-naive holt-winters' -d 'How to forecast'
complete -c mplp -n '__mplp_verb capacity' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb capacity' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb capacity' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb capacity' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_verb capacity' -l undo -d 'Take back what was applied last'
complete -c mplp -n '__mplp_at capacity 0' -a 'plan apply scale'

complete -c mplp -n '__mplp_verb resources' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb resources' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb resources' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb resources' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_verb resources' -l since -x -d 'On average over that long: 12h, 7d'
complete -c mplp -n '__mplp_verb resources' -l dry-run -d 'Say what would be done'
complete -c mplp -n '__mplp_verb resources' -l cpu -x -d 'Such as 2 or 0.5'
complete -c mplp -n '__mplp_verb resources' -l memory -x -d 'Such as 512MiB or 2GB'
complete -c mplp -n '__mplp_verb resources' -l network -x -d 'Such as 10mbps'
complete -c mplp -n '__mplp_verb resources' -l storage -x -d 'Such as 1GiB'
complete -c mplp -n '__mplp_verb resources' -l custom -x -d 'A kind of the project\'s own (repeatable)'
complete -c mplp -n '__mplp_verb resources' -l strategy -x -a 'first-fit best-fit balanced priority' -d 'On which unit, where several have room'
complete -c mplp -n '__mplp_at resources 0' -a 'show utilization optimize allocate release'
complete -c mplp -n '__mplp_at resources 1' -k -a '(__mplp_ask allocations)'

complete -c mplp -n '__mplp_verb backup' -s f -l force -d 'Overwrite an older copy'
complete -c mplp -n '__mplp_verb backup' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb backup' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb backup' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at backup 0' -F

complete -c mplp -n '__mplp_verb doctor' -l repair -d 'Mend what can be mended safely, after a backup'
complete -c mplp -n '__mplp_verb doctor' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb doctor' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb doctor' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb doctor' -s h -l help -d 'Show the help and exit'

complete -c mplp -n '__mplp_verb health' -l watch -d 'Look again and again'
complete -c mplp -n '__mplp_verb health' -l interval -x -d 'How often, with --watch'
complete -c mplp -n '__mplp_verb health' -l fail-on -x -a 'warning degraded critical' -d 'The mildest verdict that ends with exit code 1'
complete -c mplp -n '__mplp_verb health' -l timeout -x -d 'How long a check may take'
complete -c mplp -n '__mplp_verb health' -s o -l output -x -a 'text json' -d 'How to answer'
complete -c mplp -n '__mplp_verb health' -l state-dir -x -a '(__fish_complete_directories)' -d 'Where runs are stored'
complete -c mplp -n '__mplp_verb health' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb health' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_verb health' -k -a '(__mplp_ask components)'

complete -c mplp -n '__mplp_verb schema' -l list -d 'Print the names of the schemas and stop'
complete -c mplp -n '__mplp_verb schema' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at schema 0' -k -a '(__mplp_ask schemas)'

complete -c mplp -n '__mplp_verb completion' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at completion 0' -a 'bash zsh fish powershell'

complete -c mplp -n '__mplp_verb help' -l no-color -d 'Plain text (NO_COLOR does the same)'
complete -c mplp -n '__mplp_verb help' -s h -l help -d 'Show the help and exit'
complete -c mplp -n '__mplp_at help 0' -a '(__mplp_ask topics)'
complete -c mplp -n '__mplp_at help 0' -a 'init examples validate test plan run resume retry rerun pause attach wait cancel kill runs status logs artifacts explain diff export verify approvals approve reject events triggers serve call agents interfaces cassette modules objects optimize capacity resources backup doctor health schema completion help'
