# Completion of mplp for PowerShell. Made by `mplp completion powershell`; changes will be lost.
#
#   mplp completion powershell >> $PROFILE

Register-ArgumentCompleter -Native -CommandName mplp -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $verbs = @(
        'init	Write a commented workflow to start from'
        'examples	List the workflows that come with mplp, or print one'
        'validate	Check workflow files and show every problem with its place'
        'test	Run the test cases of workflows, offline'
        'plan	Show what a run would do'
        'run	Validate a workflow and run it'
        'resume	Go on with a paused, interrupted, waiting or failed run'
        'retry	Try the failed steps of a failed run again, in the same run'
        'rerun	Run an ended run again, as a new run that is linked to it'
        'pause	Pause a run: attempts that run finish, nothing new starts'
        'attach	Follow a run that another process drives, as if this one did'
        'wait	Wait until a run has ended, or only a person can take it on'
        'cancel	Cancel a run'
        'kill	End a run at once, as a second Ctrl-C does'
        'runs	List runs, newest first'
        'status	Show where a run stands'
        'logs	Print what the steps of a run have written'
        'artifacts	List the files that the steps of a run have left'
        'explain	Explain why a step is what it is'
        'graph	Draw the graph of a workflow, or of a run with its statuses'
        'report	Make a page or a picture of a run'
        'diff	Show where two runs of a workflow part'
        'export	Write a run as documents of the protocol'
        'verify	Check an export, or documents of the protocol'
        'approvals	List what runs ask a person'
        'approve	Say yes to what a step asks'
        'reject	Say no to what a step asks: the step fails'
        'events	List the last published events, in their order'
        'triggers	List triggers: when they fire next, what they started last'
        'alerts	List alerts: which fire, since when, and what is silenced'
        'serve	Serve workflows and what triggers them, over HTTP'
        'call	Call one operation of a module, without a workflow'
        'agents	List the agents of files, and those that were registered'
        'interfaces	List the reserved interfaces, inert or taken over by agents'
        'cassette	Look at recorded answers of agents: show, diff, check'
        'modules	List the modules, those of packages too, and how they stand'
        'objects	List the objects that operations wrote, last changed first'
        'optimize	Find bottlenecks, do what is safe, and say what else helps'
        'capacity	Plan what runs will require, and scale to it'
        'resources	Show the pool: what there is, who holds it, who waits for it'
        'backup	Write a copy of the store, also while runs go on'
        'monitor	Watch what goes on, and what holds it up'
        'doctor	Find out what is wrong with the state directory, and mend it'
        'health	Check whether mplp can do its work'
        'metrics	Show what was counted and measured'
        'schema	Print a JSON Schema that comes with mplp'
        'completion	Print the completion script of a shell'
        'help	Show the reference: a page of it, or the list of its pages'
    )
    $options = New-Object System.Collections.Hashtable ([StringComparer]::Ordinal)
    $options[''] = @('--version	Print the version and exit', '-V	Print the version and exit', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['init'] = @('--from	Start from a bundled workflow instead', '--force	Write over a file that is there', '-f	Write over a file that is there', '--list	Print what --from takes and stop', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['examples'] = @('--show	Print the file of EXAMPLE', '--output	How to answer', '-o	How to answer', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['validate'] = @('--output	How to show what is found', '-o	How to show what is found', '--strict	Warnings make a file invalid too', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['test'] = @('--case	Only cases whose name contains it', '-k	Only cases whose name contains it', '--fail-fast	Stop after the first that fails', '--update	Write what came out in the place of expected values', '--junit	Write a JUnit report to FILE', '--output	How to show the cases', '-o	How to show the cases', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['plan'] = @('--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['run'] = @('--input	A run input (repeatable)', '-i	A run input (repeatable)', '--inputs	Run inputs as YAML or JSON', '--output	How to show the run', '-o	How to show the run', '--dry-run	Print the plan and stop', '--ephemeral	Keep nothing on disk', '--detach	Leave the run to a process of its own and print its id', '--junit	Write a JUnit report to FILE', '--trace	Add the run''s spans to FILE (OTLP as JSON, one a line)', '--env-file	More environment (NAME=value lines)', '--secrets-file	Secrets that are not in the environment (NAME=value lines)', '--record	Write down what agents are asked and answer', '--replay	Ask no agent: what was recorded answers', '--record-missing	Replay what is there, ask and add the rest', '--strict	With --replay: every answer is given once, and all have to be', '--seed	Ids of objects follow from N', '--priority	Runs share the pool by it: higher first', '--no-cache	Take no result from the cache', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['resume'] = @('--definition	Another definition of the same workflow', '--accept-changes	Go on although what is done already has changed', '--output	How to show the run', '-o	How to show the run', '--detach	Leave the run to a process of its own and print its id', '--take-over	Also if another process holds the run: that one stops', '--junit	Write a JUnit report to FILE', '--trace	Add the run''s spans to FILE (OTLP as JSON, one a line)', '--secrets-file	Secrets that are not in the environment (NAME=value lines)', '--record	Write down what agents are asked and answer', '--replay	Ask no agent: what was recorded answers', '--record-missing	Replay what is there, ask and add the rest', '--no-cache	Take no result from the cache', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['retry'] = @('--output	How to show the run', '-o	How to show the run', '--junit	Write a JUnit report to FILE', '--trace	Add the run''s spans to FILE (OTLP as JSON, one a line)', '--secrets-file	Secrets that are not in the environment (NAME=value lines)', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['rerun'] = @('--from	Run STEP and what depends on it', '--failed	Run what did not complete and what depends on it', '--only	Run nothing but STEP', '--input	Another value of an input (repeatable)', '-i	Another value of an input (repeatable)', '--definition	Another definition of the same workflow', '--output	How to show the run', '-o	How to show the run', '--junit	Write a JUnit report to FILE', '--trace	Add the run''s spans to FILE (OTLP as JSON, one a line)', '--secrets-file	Secrets that are not in the environment (NAME=value lines)', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['pause'] = @('--reason	Why, for the record', '--wait	Come back only when nothing runs any more, however long that takes', '--no-wait	Leave the request and do not wait until it is heard', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['attach'] = @('--output	How to show the run', '-o	How to show the run', '--junit	Write a JUnit report to FILE', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['wait'] = @('--timeout	How long at most (30s, 5m)', '--state-dir	Where runs are stored', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['cancel'] = @('--reason	Why, for the record', '--no-wait	Leave the request and do not wait until it is heard', '--output	How to answer', '-o	How to answer', '--secrets-file	Secrets that are not in the environment (NAME=value lines)', '--state-dir	Where runs are stored', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['kill'] = @('--reason	Why, for the record', '--no-wait	Leave the request and do not wait until it is heard', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['runs'] = @('--workflow	Only runs of the workflow with this id', '-w	Only runs of the workflow with this id', '--status	Only runs that are: pending, running, interrupted, waiting, paused, completed, failed, cancelled', '-s	Only runs that are: pending, running, interrupted, waiting, paused, completed, failed, cancelled', '--all	Also the runs of sub-workflows', '-a	Also the runs of sub-workflows', '--since	Only runs that began since: 30m, 2d, or 2030-01-31T09:00:00Z', '--limit	At most so many', '-n	At most so many', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit', '--keep-days	Keep what ended in the last DAYS days', '--keep	Keep the N runs that ended last', '--dry-run	Say what would be deleted', '--forget	Keep no events for this route, rule or trigger, which is no more', '--yes	Do not ask', '-y	Do not ask')
    $options['status'] = @('--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['logs'] = @('--follow	Go on until the run ends', '-f	Go on until the run ends', '--attempt	Only this attempt', '--history	Print the facts of the run, one JSON object a line', '--raw	Print control characters as they are', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['artifacts'] = @('--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['explain'] = @('--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['graph'] = @('--format	How to write it', '-f	How to write it', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['report'] = @('--html	Write one page of HTML', '--svg	Write one picture in SVG', '--state-dir	Where runs are stored', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['diff'] = @('--all	Also list the steps that are the same', '-a	Also list the steps that are the same', '--exact	Ids and times that every run makes anew are differences, too', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['export'] = @('--out	The directory to write', '--force	Replace the files of an earlier export', '-f	Replace the files of an earlier export', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['verify'] = @('--output	How to answer', '-o	How to answer', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['approvals'] = @('--run	Only what this run asks', '-r	Only what this run asks', '--all	Also what is answered or withdrawn', '-a	Also what is answered or withdrawn', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['approve'] = @('--reason	Why, for the record', '--input	An input that the question takes (repeatable)', '-i	An input that the question takes (repeatable)', '--inputs	Those inputs as YAML or JSON', '--by	Who answers', '--digest	Only if this is still what is asked (`mplp approvals --output json` has it)', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['reject'] = @('--reason	Why, for the record', '--by	Who answers', '--digest	Only if this is still what is asked (`mplp approvals --output json` has it)', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['events'] = @('--type	Only events of this type', '-t	Only events of this type', '--source	Only events of this source', '--since	Only events of that time or later: 30m, 2d, or 2030-01-31T09:00:00Z', '--id	Only events with this id', '--run	Only what the steps of a run have published, and what tells of it', '--limit	At most so many', '-n	At most so many', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit', '--data	What it carries: JSON, @FILE, or @- for stdin', '-d	What it carries: JSON, @FILE, or @- for stdin', '--subject	What it is about', '--time	When it happened', '--cloud-event	Publish what FILE (`-`: stdin) has: one CloudEvent, a list of them, or one a line', '--follow	Print what is published from now on, too', '-f	Print what is published from now on, too', '--from	Begin with the event of that number, whatever came since', '--route	Only of this route', '-r	Only of this route', '--event	Only of this event: its id or number', '-e	Only of this event: its id or number', '--state	Only in this state', '-s	Only in this state', '--all	Replay or drop all of the route, or of all routes', '--by	What events are put together by: type, source, window (all of a window), or an expression', '--window	Windows so long, such as 5m', '-w	Windows so long, such as 5m', '--slide	A window begins so often', '--lateness	Leave out, and list, events that came so much later than others', '--field	Sum up these numbers of the events, such as data.duration', '--file	The events of FILE (`-`: stdin) instead of those that were published: one CloudEvent a line, or a list', '-f	The events of FILE (`-`: stdin) instead of those that were published: one CloudEvent a line, or a list', '--rules	A YAML or JSON file with the key correlation-rules', '-r	A YAML or JSON file with the key correlation-rules')
    $options['triggers'] = @('--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit', '--event	The event: a CloudEvent, or those of its attributes that matter', '--at	A moment, such as 2027-01-31T09:00:00Z', '--secrets-file	Secrets that are not in the environment (NAME=value lines)')
    $options['alerts'] = @('--active	Only what is pending or fires', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit', '--label	Only series with this label, or severity (repeatable)', '-l	Only series with this label, or severity (repeatable)', '--for	How long: 30m, 2h, 1d', '--until	Until then: 2027-01-31T09:00:00Z', '--reason	Why, for the record', '--by	Who does it', '--all	End all silences', '--since	Begin so long ago, or then', '--samples	Samples and events to try them on, JSON lines')
    $options['serve'] = @('--workflows	A workflow file, or a directory of them (repeatable)', '-w	A workflow file, or a directory of them (repeatable)', '--host	Where to listen', '--port	0 takes a free one', '-p	0 takes a free one', '--allow-host	Another name that the server goes by, of a proxy for example (repeatable)', '--at-once	At most so many runs at work', '--queue	At most so many runs wait', '--backlog	At most so many events wait', '--grace	What a stop leaves to steps at work', '--openapi	Print the OpenAPI document of the API and stop', '--secrets-file	Secrets that are not in the environment (NAME=value lines)', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['call'] = @('--param	A parameter (repeatable)', '-p	A parameter (repeatable)', '--params	Parameters as JSON or YAML: text, @FILE, or `-` for stdin', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['agents'] = @('--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit', '--capability	It offers this', '-c	It offers this', '--any-of	It offers one of these', '--tag	It has this tag', '--kind	It is of this kind', '--status	It stands like this', '--text	Part of its id, name or description', '--input	Data: JSON or YAML, @FILE, or `-` for stdin', '-i	Data: JSON or YAML, @FILE, or `-` for stdin', '--prompt	Text')
    $options['interfaces'] = @('--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit', '--input	Parameters: JSON or YAML, @FILE, or `-` for stdin', '-i	Parameters: JSON or YAML, @FILE, or `-` for stdin')
    $options['cassette'] = @('--output	How to answer', '-o	How to answer', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['modules'] = @('--output	How to answer', '-o	How to answer', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit', '--state-dir	Where runs are stored', '--type	Such as plan.created', '-t	Such as plan.created', '--data	What it carries: JSON, @FILE, or @- for stdin', '-d	What it carries: JSON, @FILE, or @- for stdin', '--remove	Take the subscription back', '--module	Only from or to this module', '-m	Only from or to this module', '--limit	At most so many', '-n	At most so many')
    $options['objects'] = @('--kind	The kind it is of', '--version	This version, not the last', '--versions	List the versions instead', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit', '--run	Only objects that this run has made', '--context	Only this context and what belongs to it', '--status	Only objects that are so', '-s	Only objects that are so', '--deleted	Also objects that were deleted', '--limit	At most so many', '-n	At most so many')
    $options['optimize'] = @('--metrics	Metrics, instead of measuring', '--undo	Take back what was adjusted last', '--dry-run	Say what would be done', '--lang	How bottlenecks are told', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['capacity'] = @('--horizon	How far to look ahead: 12h, 7d, at most 92d', '--history	Past runs, instead of those of the store', '--method	How to forecast', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit', '--undo	Take back what was applied last')
    $options['resources'] = @('--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit', '--since	On average over that long: 12h, 7d', '--dry-run	Say what would be done', '--cpu	Such as 2 or 0.5', '--memory	Such as 512MiB or 2GB', '--network	Such as 10mbps', '--storage	Such as 1GiB', '--custom	A kind of the project''s own (repeatable)', '--strategy	On which unit, where several have room')
    $options['backup'] = @('--force	Overwrite an older copy', '-f	Overwrite an older copy', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['monitor'] = @('--interval	Between looks: 5 (seconds), 500ms, 1m', '-i	Between looks: 5 (seconds), 500ms, 1m', '--count	Look so many times, and end', '-n	Look so many times, and end', '--output	How to show it', '-o	How to show it', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['doctor'] = @('--repair	Mend what can be mended safely, after a backup', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['health'] = @('--watch	Look again and again', '--interval	How often, with --watch', '--fail-on	The mildest verdict that ends with exit code 1', '--timeout	How long a check may take', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['metrics'] = @('--since	Look back so far', '--output	How to answer', '-o	How to answer', '--state-dir	Where runs are stored', '--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['schema'] = @('--list	Print the names of the schemas and stop', '-h	Show the help and exit', '--help	Show the help and exit')
    $options['completion'] = @('-h	Show the help and exit', '--help	Show the help and exit')
    $options['help'] = @('--no-color	Plain text (NO_COLOR does the same)', '-h	Show the help and exit', '--help	Show the help and exit')
    $values = New-Object System.Collections.Hashtable ([StringComparer]::Ordinal)
    $values['init --from'] = @('examples', @())
    $values['examples --output'] = @('choices', @('text', 'json'))
    $values['examples -o'] = @('choices', @('text', 'json'))
    $values['validate --output'] = @('choices', @('text', 'json', 'github', 'sarif'))
    $values['validate -o'] = @('choices', @('text', 'json', 'github', 'sarif'))
    $values['test --case'] = @('text', @())
    $values['test -k'] = @('text', @())
    $values['test --junit'] = @('file', @())
    $values['test --output'] = @('choices', @('text', 'json', 'github'))
    $values['test -o'] = @('choices', @('text', 'json', 'github'))
    $values['plan --output'] = @('choices', @('text', 'json'))
    $values['plan -o'] = @('choices', @('text', 'json'))
    $values['plan --state-dir'] = @('directory', @())
    $values['run --input'] = @('text', @())
    $values['run -i'] = @('text', @())
    $values['run --inputs'] = @('file', @())
    $values['run --output'] = @('choices', @('auto', 'json', 'jsonl', 'github', 'quiet'))
    $values['run -o'] = @('choices', @('auto', 'json', 'jsonl', 'github', 'quiet'))
    $values['run --junit'] = @('file', @())
    $values['run --trace'] = @('file', @())
    $values['run --env-file'] = @('file', @())
    $values['run --secrets-file'] = @('file', @())
    $values['run --record'] = @('text', @())
    $values['run --replay'] = @('text', @())
    $values['run --record-missing'] = @('text', @())
    $values['run --seed'] = @('text', @())
    $values['run --priority'] = @('text', @())
    $values['run --state-dir'] = @('directory', @())
    $values['resume --definition'] = @('file', @())
    $values['resume --output'] = @('choices', @('auto', 'json', 'jsonl', 'github', 'quiet'))
    $values['resume -o'] = @('choices', @('auto', 'json', 'jsonl', 'github', 'quiet'))
    $values['resume --junit'] = @('file', @())
    $values['resume --trace'] = @('file', @())
    $values['resume --secrets-file'] = @('file', @())
    $values['resume --record'] = @('text', @())
    $values['resume --replay'] = @('text', @())
    $values['resume --record-missing'] = @('text', @())
    $values['resume --state-dir'] = @('directory', @())
    $values['retry --output'] = @('choices', @('auto', 'json', 'jsonl', 'github', 'quiet'))
    $values['retry -o'] = @('choices', @('auto', 'json', 'jsonl', 'github', 'quiet'))
    $values['retry --junit'] = @('file', @())
    $values['retry --trace'] = @('file', @())
    $values['retry --secrets-file'] = @('file', @())
    $values['retry --state-dir'] = @('directory', @())
    $values['rerun --from'] = @('steps', @())
    $values['rerun --only'] = @('steps', @())
    $values['rerun --input'] = @('text', @())
    $values['rerun -i'] = @('text', @())
    $values['rerun --definition'] = @('file', @())
    $values['rerun --output'] = @('choices', @('auto', 'json', 'jsonl', 'github', 'quiet'))
    $values['rerun -o'] = @('choices', @('auto', 'json', 'jsonl', 'github', 'quiet'))
    $values['rerun --junit'] = @('file', @())
    $values['rerun --trace'] = @('file', @())
    $values['rerun --secrets-file'] = @('file', @())
    $values['rerun --state-dir'] = @('directory', @())
    $values['pause --reason'] = @('text', @())
    $values['pause --output'] = @('choices', @('text', 'json'))
    $values['pause -o'] = @('choices', @('text', 'json'))
    $values['pause --state-dir'] = @('directory', @())
    $values['attach --output'] = @('choices', @('auto', 'json', 'jsonl', 'github', 'quiet'))
    $values['attach -o'] = @('choices', @('auto', 'json', 'jsonl', 'github', 'quiet'))
    $values['attach --junit'] = @('file', @())
    $values['attach --state-dir'] = @('directory', @())
    $values['wait --timeout'] = @('text', @())
    $values['wait --state-dir'] = @('directory', @())
    $values['cancel --reason'] = @('text', @())
    $values['cancel --output'] = @('choices', @('text', 'json'))
    $values['cancel -o'] = @('choices', @('text', 'json'))
    $values['cancel --secrets-file'] = @('file', @())
    $values['cancel --state-dir'] = @('directory', @())
    $values['kill --reason'] = @('text', @())
    $values['kill --output'] = @('choices', @('text', 'json'))
    $values['kill -o'] = @('choices', @('text', 'json'))
    $values['kill --state-dir'] = @('directory', @())
    $values['runs --workflow'] = @('workflows', @())
    $values['runs -w'] = @('workflows', @())
    $values['runs --status'] = @('choices', @('pending', 'running', 'interrupted', 'waiting', 'paused', 'completed', 'failed', 'cancelled'))
    $values['runs -s'] = @('choices', @('pending', 'running', 'interrupted', 'waiting', 'paused', 'completed', 'failed', 'cancelled'))
    $values['runs --since'] = @('text', @())
    $values['runs --limit'] = @('text', @())
    $values['runs -n'] = @('text', @())
    $values['runs --output'] = @('choices', @('text', 'json'))
    $values['runs -o'] = @('choices', @('text', 'json'))
    $values['runs --state-dir'] = @('directory', @())
    $values['runs --keep-days'] = @('text', @())
    $values['runs --keep'] = @('text', @())
    $values['runs --forget'] = @('text', @())
    $values['status --output'] = @('choices', @('text', 'json'))
    $values['status -o'] = @('choices', @('text', 'json'))
    $values['status --state-dir'] = @('directory', @())
    $values['logs --attempt'] = @('text', @())
    $values['logs --state-dir'] = @('directory', @())
    $values['artifacts --output'] = @('choices', @('text', 'json'))
    $values['artifacts -o'] = @('choices', @('text', 'json'))
    $values['artifacts --state-dir'] = @('directory', @())
    $values['explain --output'] = @('choices', @('text', 'json'))
    $values['explain -o'] = @('choices', @('text', 'json'))
    $values['explain --state-dir'] = @('directory', @())
    $values['graph --format'] = @('choices', @('ascii', 'mermaid', 'dot', 'svg'))
    $values['graph -f'] = @('choices', @('ascii', 'mermaid', 'dot', 'svg'))
    $values['graph --state-dir'] = @('directory', @())
    $values['report --html'] = @('file', @())
    $values['report --svg'] = @('file', @())
    $values['report --state-dir'] = @('directory', @())
    $values['diff --output'] = @('choices', @('text', 'json'))
    $values['diff -o'] = @('choices', @('text', 'json'))
    $values['diff --state-dir'] = @('directory', @())
    $values['export --out'] = @('directory', @())
    $values['export --output'] = @('choices', @('text', 'json'))
    $values['export -o'] = @('choices', @('text', 'json'))
    $values['export --state-dir'] = @('directory', @())
    $values['verify --output'] = @('choices', @('text', 'json'))
    $values['verify -o'] = @('choices', @('text', 'json'))
    $values['approvals --run'] = @('runs', @())
    $values['approvals -r'] = @('runs', @())
    $values['approvals --output'] = @('choices', @('text', 'json'))
    $values['approvals -o'] = @('choices', @('text', 'json'))
    $values['approvals --state-dir'] = @('directory', @())
    $values['approve --reason'] = @('text', @())
    $values['approve --input'] = @('text', @())
    $values['approve -i'] = @('text', @())
    $values['approve --inputs'] = @('file', @())
    $values['approve --by'] = @('text', @())
    $values['approve --digest'] = @('text', @())
    $values['approve --output'] = @('choices', @('text', 'json'))
    $values['approve -o'] = @('choices', @('text', 'json'))
    $values['approve --state-dir'] = @('directory', @())
    $values['reject --reason'] = @('text', @())
    $values['reject --by'] = @('text', @())
    $values['reject --digest'] = @('text', @())
    $values['reject --output'] = @('choices', @('text', 'json'))
    $values['reject -o'] = @('choices', @('text', 'json'))
    $values['reject --state-dir'] = @('directory', @())
    $values['events --type'] = @('text', @())
    $values['events -t'] = @('text', @())
    $values['events --source'] = @('text', @())
    $values['events --since'] = @('text', @())
    $values['events --id'] = @('text', @())
    $values['events --run'] = @('runs', @())
    $values['events --limit'] = @('text', @())
    $values['events -n'] = @('text', @())
    $values['events --output'] = @('choices', @('text', 'json'))
    $values['events -o'] = @('choices', @('text', 'json'))
    $values['events --state-dir'] = @('directory', @())
    $values['events --data'] = @('text', @())
    $values['events -d'] = @('text', @())
    $values['events --subject'] = @('text', @())
    $values['events --time'] = @('text', @())
    $values['events --cloud-event'] = @('file', @())
    $values['events --from'] = @('text', @())
    $values['events --route'] = @('text', @())
    $values['events -r'] = @('text', @())
    $values['events --event'] = @('text', @())
    $values['events -e'] = @('text', @())
    $values['events --state'] = @('choices', @('delivered', 'retrying', 'dead', 'dropped'))
    $values['events -s'] = @('choices', @('delivered', 'retrying', 'dead', 'dropped'))
    $values['events --by'] = @('text', @())
    $values['events --window'] = @('text', @())
    $values['events -w'] = @('text', @())
    $values['events --slide'] = @('text', @())
    $values['events --lateness'] = @('text', @())
    $values['events --field'] = @('text', @())
    $values['events --file'] = @('file', @())
    $values['events -f'] = @('file', @())
    $values['events --rules'] = @('file', @())
    $values['events -r'] = @('file', @())
    $values['triggers --output'] = @('choices', @('text', 'json'))
    $values['triggers -o'] = @('choices', @('text', 'json'))
    $values['triggers --state-dir'] = @('directory', @())
    $values['triggers --event'] = @('text', @())
    $values['triggers --at'] = @('text', @())
    $values['triggers --secrets-file'] = @('file', @())
    $values['alerts --output'] = @('choices', @('text', 'json'))
    $values['alerts -o'] = @('choices', @('text', 'json'))
    $values['alerts --state-dir'] = @('directory', @())
    $values['alerts --label'] = @('text', @())
    $values['alerts -l'] = @('text', @())
    $values['alerts --for'] = @('text', @())
    $values['alerts --until'] = @('text', @())
    $values['alerts --reason'] = @('text', @())
    $values['alerts --by'] = @('text', @())
    $values['alerts --since'] = @('text', @())
    $values['alerts --samples'] = @('file', @())
    $values['serve --workflows'] = @('file', @())
    $values['serve -w'] = @('file', @())
    $values['serve --host'] = @('text', @())
    $values['serve --port'] = @('text', @())
    $values['serve -p'] = @('text', @())
    $values['serve --allow-host'] = @('text', @())
    $values['serve --at-once'] = @('text', @())
    $values['serve --queue'] = @('text', @())
    $values['serve --backlog'] = @('text', @())
    $values['serve --grace'] = @('text', @())
    $values['serve --secrets-file'] = @('file', @())
    $values['serve --output'] = @('choices', @('text', 'json'))
    $values['serve -o'] = @('choices', @('text', 'json'))
    $values['serve --state-dir'] = @('directory', @())
    $values['call --param'] = @('text', @())
    $values['call -p'] = @('text', @())
    $values['call --params'] = @('text', @())
    $values['call --output'] = @('choices', @('text', 'json'))
    $values['call -o'] = @('choices', @('text', 'json'))
    $values['call --state-dir'] = @('directory', @())
    $values['agents --output'] = @('choices', @('text', 'json'))
    $values['agents -o'] = @('choices', @('text', 'json'))
    $values['agents --state-dir'] = @('directory', @())
    $values['agents --capability'] = @('text', @())
    $values['agents -c'] = @('text', @())
    $values['agents --any-of'] = @('text', @())
    $values['agents --tag'] = @('text', @())
    $values['agents --kind'] = @('kinds', @())
    $values['agents --status'] = @('choices', @('active', 'degraded', 'unreachable'))
    $values['agents --text'] = @('text', @())
    $values['agents --input'] = @('text', @())
    $values['agents -i'] = @('text', @())
    $values['agents --prompt'] = @('text', @())
    $values['interfaces --output'] = @('choices', @('text', 'json'))
    $values['interfaces -o'] = @('choices', @('text', 'json'))
    $values['interfaces --state-dir'] = @('directory', @())
    $values['interfaces --input'] = @('text', @())
    $values['interfaces -i'] = @('text', @())
    $values['cassette --output'] = @('choices', @('text', 'json'))
    $values['cassette -o'] = @('choices', @('text', 'json'))
    $values['modules --output'] = @('choices', @('text', 'json'))
    $values['modules -o'] = @('choices', @('text', 'json'))
    $values['modules --state-dir'] = @('directory', @())
    $values['modules --type'] = @('text', @())
    $values['modules -t'] = @('text', @())
    $values['modules --data'] = @('text', @())
    $values['modules -d'] = @('text', @())
    $values['modules --module'] = @('modules', @())
    $values['modules -m'] = @('modules', @())
    $values['modules --limit'] = @('text', @())
    $values['modules -n'] = @('text', @())
    $values['objects --kind'] = @('kinds', @())
    $values['objects --version'] = @('text', @())
    $values['objects --output'] = @('choices', @('text', 'json'))
    $values['objects -o'] = @('choices', @('text', 'json'))
    $values['objects --state-dir'] = @('directory', @())
    $values['objects --run'] = @('runs', @())
    $values['objects --context'] = @('text', @())
    $values['objects --status'] = @('text', @())
    $values['objects -s'] = @('text', @())
    $values['objects --limit'] = @('text', @())
    $values['objects -n'] = @('text', @())
    $values['optimize --metrics'] = @('file', @())
    $values['optimize --lang'] = @('choices', @('en', 'zh'))
    $values['optimize --output'] = @('choices', @('text', 'json'))
    $values['optimize -o'] = @('choices', @('text', 'json'))
    $values['optimize --state-dir'] = @('directory', @())
    $values['capacity --horizon'] = @('text', @())
    $values['capacity --history'] = @('file', @())
    $values['capacity --method'] = @('choices', @('seasonal-naive', 'holt-winters'))
    $values['capacity --output'] = @('choices', @('text', 'json'))
    $values['capacity -o'] = @('choices', @('text', 'json'))
    $values['capacity --state-dir'] = @('directory', @())
    $values['resources --output'] = @('choices', @('text', 'json'))
    $values['resources -o'] = @('choices', @('text', 'json'))
    $values['resources --state-dir'] = @('directory', @())
    $values['resources --since'] = @('text', @())
    $values['resources --cpu'] = @('text', @())
    $values['resources --memory'] = @('text', @())
    $values['resources --network'] = @('text', @())
    $values['resources --storage'] = @('text', @())
    $values['resources --custom'] = @('text', @())
    $values['resources --strategy'] = @('choices', @('first-fit', 'best-fit', 'balanced', 'priority'))
    $values['backup --output'] = @('choices', @('text', 'json'))
    $values['backup -o'] = @('choices', @('text', 'json'))
    $values['backup --state-dir'] = @('directory', @())
    $values['monitor --interval'] = @('text', @())
    $values['monitor -i'] = @('text', @())
    $values['monitor --count'] = @('text', @())
    $values['monitor -n'] = @('text', @())
    $values['monitor --output'] = @('choices', @('auto', 'text', 'jsonl'))
    $values['monitor -o'] = @('choices', @('auto', 'text', 'jsonl'))
    $values['monitor --state-dir'] = @('directory', @())
    $values['doctor --output'] = @('choices', @('text', 'json'))
    $values['doctor -o'] = @('choices', @('text', 'json'))
    $values['doctor --state-dir'] = @('directory', @())
    $values['health --interval'] = @('text', @())
    $values['health --fail-on'] = @('choices', @('warning', 'degraded', 'critical'))
    $values['health --timeout'] = @('text', @())
    $values['health --output'] = @('choices', @('text', 'json'))
    $values['health -o'] = @('choices', @('text', 'json'))
    $values['health --state-dir'] = @('directory', @())
    $values['metrics --since'] = @('text', @())
    $values['metrics --output'] = @('choices', @('table', 'json', 'prometheus'))
    $values['metrics -o'] = @('choices', @('table', 'json', 'prometheus'))
    $values['metrics --state-dir'] = @('directory', @())
    $arguments = New-Object System.Collections.Hashtable ([StringComparer]::Ordinal)
    $arguments['init 0'] = @('file', @())
    $arguments['examples 0'] = @('examples', @())
    $arguments['validate *'] = @('workflow', @())
    $arguments['test *'] = @('file', @())
    $arguments['plan 0'] = @('workflow', @())
    $arguments['run 0'] = @('workflow', @())
    $arguments['resume 0'] = @('runs', @())
    $arguments['retry 0'] = @('runs', @())
    $arguments['retry 1'] = @('steps', @())
    $arguments['rerun 0'] = @('runs', @())
    $arguments['pause 0'] = @('runs', @())
    $arguments['attach 0'] = @('runs', @())
    $arguments['wait 0'] = @('runs', @())
    $arguments['cancel 0'] = @('runs', @())
    $arguments['kill 0'] = @('runs', @())
    $arguments['runs 0'] = @('choices', @('list', 'prune'))
    $arguments['status 0'] = @('runs', @())
    $arguments['logs 0'] = @('runs', @())
    $arguments['logs 1'] = @('steps', @())
    $arguments['artifacts 0'] = @('runs', @())
    $arguments['artifacts 1'] = @('steps', @())
    $arguments['explain 0'] = @('runs', @())
    $arguments['explain 1'] = @('steps', @())
    $arguments['graph 0'] = @('workflow', @())
    $arguments['report 0'] = @('runs', @())
    $arguments['diff 0'] = @('runs', @())
    $arguments['diff 1'] = @('runs', @())
    $arguments['export 0'] = @('runs', @())
    $arguments['verify *'] = @('file', @())
    $arguments['approve 0'] = @('runs', @())
    $arguments['approve 1'] = @('steps', @())
    $arguments['reject 0'] = @('runs', @())
    $arguments['reject 1'] = @('steps', @())
    $arguments['events 0'] = @('choices', @('list', 'emit', 'show', 'tail', 'routes', 'deliveries', 'dead-letter', 'aggregate', 'correlate'))
    $arguments['events 1'] = @('text', @())
    $arguments['events 2'] = @('text', @())
    $arguments['events *'] = @('text', @())
    $arguments['triggers 0'] = @('choices', @('list', 'test', 'fire'))
    $arguments['triggers *'] = @('workflow', @())
    $arguments['triggers 2'] = @('text', @())
    $arguments['alerts 0'] = @('choices', @('list', 'show', 'silence', 'unsilence', 'test'))
    $arguments['alerts 1'] = @('alerts', @())
    $arguments['call 0'] = @('operations', @())
    $arguments['agents 0'] = @('choices', @('list', 'show', 'register', 'unregister', 'discover', 'capabilities', 'heartbeat', 'doctor', 'call', 'ping'))
    $arguments['agents 1'] = @('agents', @())
    $arguments['interfaces 0'] = @('choices', @('list', 'activate', 'deactivate', 'call'))
    $arguments['interfaces *'] = @('modules', @())
    $arguments['cassette 0'] = @('choices', @('show', 'diff', 'check'))
    $arguments['cassette 1'] = @('file', @())
    $arguments['cassette 2'] = @('text', @())
    $arguments['modules 0'] = @('choices', @('describe', 'list', 'show', 'status', 'initialize', 'start', 'stop', 'restart', 'send', 'broadcast', 'subscribe', 'log'))
    $arguments['modules 1'] = @('operations', @())
    $arguments['modules 2'] = @('modules', @())
    $arguments['objects 0'] = @('choices', @('show', 'list'))
    $arguments['objects 1'] = @('objects', @())
    $arguments['capacity 0'] = @('choices', @('plan', 'apply', 'scale'))
    $arguments['capacity 1'] = @('text', @())
    $arguments['resources 0'] = @('choices', @('show', 'utilization', 'optimize', 'allocate', 'release'))
    $arguments['resources 1'] = @('allocations', @())
    $arguments['backup 0'] = @('file', @())
    $arguments['health *'] = @('components', @())
    $arguments['metrics *'] = @('text', @())
    $arguments['schema 0'] = @('schemas', @())
    $arguments['completion 0'] = @('choices', @('bash', 'zsh', 'fish', 'powershell'))
    $arguments['help 0'] = @('topics', @('init', 'examples', 'validate', 'test', 'plan', 'run', 'resume', 'retry', 'rerun', 'pause', 'attach', 'wait', 'cancel', 'kill', 'runs', 'status', 'logs', 'artifacts', 'explain', 'graph', 'report', 'diff', 'export', 'verify', 'approvals', 'approve', 'reject', 'events', 'triggers', 'alerts', 'serve', 'call', 'agents', 'interfaces', 'cassette', 'modules', 'objects', 'optimize', 'capacity', 'resources', 'backup', 'monitor', 'doctor', 'health', 'metrics', 'schema', 'completion', 'help'))

    $program = $commandAst.CommandElements[0].ToString()
    $typed = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString().Trim("'", '"') })
    $verb = ''
    $option = ''
    $state = ''
    $positional = @()
    foreach ($word in $typed) {
        if ($option) {
            if ($option -ceq '--state-dir') { $state = $word }
            $option = ''
        } elseif ($word -clike '--state-dir=*') {
            $state = $word.Substring('--state-dir='.Length)
        } elseif ($word -like '-?*') {
            if ($values.ContainsKey("$verb $word")) { $option = $word }
        } elseif (-not $verb) {
            $verb = $word
        } else {
            $positional += $word
        }
    }

    # Asks mplp itself: one candidate a line, a description behind a tab.
    function Get-Answer {
        $before = $env:MPLP_STATE_DIR
        if ($state) { $env:MPLP_STATE_DIR = $state }
        try { & $program __complete @args 2>$null } catch { } finally { $env:MPLP_STATE_DIR = $before }
    }

    function Get-Candidate($source) {
        $kind, $choices = $source
        switch ($kind) {
            'choices' { $choices }
            'topics' { Get-Answer topics; $choices }
            'runs' { Get-Answer runs $verb }
            'steps' { Get-Answer steps $verb $positional[0] }
            'workflow' { if ($wordToComplete -like 'e*') { Get-Answer examples run } }
            { $_ -in 'file', 'directory', 'text' } { }
            default { Get-Answer $kind }
        }
    }

    $at = "$verb $($positional.Count)"
    $found = if ($option) { Get-Candidate $values["$verb $option"] }
    elseif ($wordToComplete -like '-*') { $options[$verb] }
    elseif (-not $verb) { $verbs }
    elseif ($arguments.ContainsKey($at)) { Get-Candidate $arguments[$at] }
    elseif ($arguments.ContainsKey("$verb *")) { Get-Candidate $arguments["$verb *"] }

    # What gives nothing here is completed as a file name by the shell.
    $found | ForEach-Object {
        $name, $says = $_ -split "`t", 2
        if ($name -like "$wordToComplete*") {
            if (-not $says) { $says = $name }
            [System.Management.Automation.CompletionResult]::new($name, $name, 'ParameterValue', $says)
        }
    }
}
