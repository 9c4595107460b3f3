//! The golden scenarios: one test per file of `tests/scenarios`.
//!
//! `UPDATE=1 cargo test --test scenarios` writes down what the engine says now; the diff is the review. Claims
//! (`must ...`) are never rewritten. The language: [`evenkeel::testkit::scenario`].
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

use evenkeel::testkit::scenario::play;

/// Plays one story and fails with everything that is wrong with it, each with its file and line.
fn story(name: &str) {
    let file = format!("tests/scenarios/{name}.txt");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let played = play(&text);
    let mut wrong: Vec<String> =
        played.faults.iter().map(|fault| format!("{file}:{fault}")).collect();
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        if played.text != text {
            fs::write(&path, &played.text).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
    } else {
        wrong.extend(played.changes.iter().map(|change| format!("{file}:{change}")));
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// One test per story; `tests/tidy.rs` compares the list with the directory.
macro_rules! stories {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                story(stringify!($name));
            }
        )+
    };
}

stories! {
    act_after_advise_does_what_was_proposed
    adaptation_off_keeps_the_configured_thresholds
    advice_adds_nobody_where_the_queue_fits
    advice_adds_two_workers_with_gpus_for_the_queue
    advice_adds_workers_where_all_are_hot
    advice_goes_on_with_what_is_under_way
    advice_removes_no_worker_that_keeps_replicas_apart
    advice_removes_what_an_idle_cluster_does_not_need
    advice_splits_a_task_that_overloads_every_worker
    advice_splits_nothing_that_a_larger_worker_could_have
    advice_suspects_a_slow_worker_after_enough_reports
    advice_suspects_no_worker_that_is_slow_by_its_table
    advice_waits_until_it_has_lasted
    advise_proposes_and_leaves_no_trace
    affinity_group_is_all_or_nothing
    affinity_group_moves_as_one
    all_hot_moves_nothing
    all_idle_moves_nothing
    all_of_needs_every_kind
    almost_overloaded_worker_gives_along_with_the_overloaded_one
    alternative_of_a_move_taken_over_is_its_targets
    anti_affinity_keeps_replicas_apart_in_transit_too
    any_of_needs_just_one
    budget_counts_no_bytes_that_are_not_carried
    budget_counts_on_while_migration_is_off
    budget_counts_what_an_earlier_life_has_under_way
    budget_grows_with_the_workers_that_must_give
    budget_of_a_group_is_counted_for_each_group
    budget_of_a_kind_leaves_other_kinds_alone
    budget_of_a_reason_counts_what_is_taken_over_to_each
    budget_of_a_reason_leaves_the_others_alone
    budget_of_another_window_counts_what_was_begun
    budget_of_bytes_counts_what_is_handed_over
    budget_of_lost_work_counts_the_age_of_checkpoints
    budget_per_pair_of_zones_holds_the_second_move
    budget_per_tenant_and_hour_slides_along
    budget_per_worker_counts_both_ends_apart
    budget_that_an_earlier_life_may_have_spent_stays_closed
    budget_to_a_worker_counts_where_a_task_was_bound_when_taken_over
    class_cost_tips_the_choice_and_shows_on_the_scorecard
    class_is_asked_again_for_another_target
    class_keeps_its_tasks_on_its_workers
    class_that_changes_before_the_release_calls_the_move_off
    class_that_closes_with_the_release_is_asked_again
    class_that_nobody_has_described_sets_its_tasks_aside
    companion_on_a_worker_out_of_sight_is_not_left_alone
    companions_do_not_follow_one_of_them_to_a_faster_worker
    concurrency_halves_after_a_failure_and_climbs_again
    consider_judges_by_the_pace_of_the_round
    consider_refuses_where_the_spread_would_grow
    constant_load_falls_silent
    copy_that_is_in_the_statement_takes_its_room_once
    copy_that_is_there_takes_its_room_once
    cost_benefit_off_takes_the_largest_from_hottest_to_coldest
    cpu_alternative_is_taken_when_no_gpu_is_free_and_charged_as_such
    dead_band_leaves_a_swap_of_roles_alone
    device_is_no_reason_to_evict
    device_that_fits_best_keeps_the_large_hole_whole
    disruption_budget_counts_an_outage_that_is_not_ours
    disruption_budget_holds_a_second_member_back
    disruption_budget_lets_drains_go_one_after_another
    disruption_budget_never_keeps_an_orphan_waiting
    diverted_task_takes_its_cooldown_along
    diverted_under_another_name_keeps_what_it_has_left
    drain_ignores_fairness_but_counts
    drain_of_a_hot_cluster_does_not_grow_the_budget
    drain_without_room_waits_for_a_new_worker
    drained_task_does_not_return_to_the_worker_it_left
    drained_tasks_go_where_there_is_most_room
    drained_tasks_stay_below_the_ceiling_while_they_can
    draining_worker_is_emptied_even_when_all_is_calm
    draining_worker_whose_record_is_in_doubt_is_not_emptied
    draining_worker_with_a_broken_sensor_is_emptied
    efficiency_off_ignores_energy_and_heat
    evacuation_lists_who_will_be_late
    evacuation_reckons_with_budgets_over_time
    evacuation_waits_for_a_companion_that_waits
    evacuation_waits_for_what_its_own_moves_stop
    evening_out_goes_before_speed
    evening_out_goes_on_until_the_loads_have_settled
    evicted_task_heard_of_late_stays_where_it_is
    evicted_task_heard_of_late_where_it_was_came_back
    evicted_task_is_told_of_under_its_new_name
    evicted_task_that_comes_back_is_left_alone_for_longer_each_time
    evicted_task_that_lands_on_the_hint_completes_its_move
    eviction_that_ends_elsewhere_is_well_done
    failed_target_sends_the_task_back_to_its_source
    failure_that_a_new_life_hears_first_says_nothing_of_the_copy
    failure_told_twice_of_a_source_that_let_go_counts_once
    failure_told_twice_to_a_new_life_counts_once
    fair_interruptions_among_tenants
    faster_alternative_wins_where_there_is_room
    faster_by_less_than_twice_is_no_reason_to_move
    faster_hardware_attracts_a_task_though_loads_are_even
    faster_hardware_is_not_worth_the_work_that_would_be_lost
    faster_hardware_is_not_worth_uneven_loads
    faster_hardware_waits_until_the_task_has_cooled_down
    faster_hardware_without_room_attracts_nobody
    figure_that_is_missing_is_not_zero
    fixed_preset_is_the_traditional_balancer
    fixed_preset_sees_full_memory_behind_idle_processors
    forecast_interval_that_missed_is_widened
    forecast_that_was_wrong_is_trusted_less
    free_device_memory_is_cut_up
    freeze_holds_moves_back_and_lets_drains_go_on
    full_gpu_does_not_hide_behind_an_idle_cpu
    gain_counts_no_further_than_the_horizon
    gang_follows_one_that_its_source_let_go_late
    gang_goes_on_when_one_of_its_moves_fails
    gang_goes_on_without_one_that_lost_its_worker
    gang_is_left_alone_by_balance_and_speed
    gang_leaves_a_drained_worker_as_a_whole
    gang_of_orphans_is_placed_together_or_not
    gang_stays_whole_where_a_strict_freeze_holds_one_of_it
    gang_stays_whole_while_nobody_has_let_go
    gang_that_cannot_move_whole_stays_whole
    gang_that_leaves_together_says_what_it_costs
    gangs_that_share_one_stay_together
    groups_that_contradict_each_other_all_hold
    half_the_workers_vanish_and_the_engine_holds_back
    hand_over_may_take_longer_than_the_worker_stays
    hand_over_takes_its_time_before_its_worker_leaves
    hardware_cpu_task_gains_nothing_from_a_gpu
    hardware_cuda_beats_rocm_until_it_is_warmer
    hardware_cuda_of_a_newer_generation_counts_more
    hardware_mps_beats_openvino_until_it_is_warmer
    hardware_off_calls_all_equal_but_still_required
    hardware_openvino_beats_qnn_until_it_is_warmer
    hardware_qnn_beats_webgpu_until_it_is_warmer
    hardware_qnn_saves_power_for_tasks_that_ask_for_it
    hardware_rocm_beats_mps_until_it_is_warmer
    hardware_webgpu_beats_webnn_until_it_is_warmer
    hardware_webnn_counts_as_a_cpu_so_the_colder_wins
    high_load_acts_sooner_and_low_load_later
    hot_among_half_loaded_gets_help
    hot_and_idle_stops_at_the_mean
    huge_task_would_swamp_the_target
    idle_worker_is_filled_from_half_loaded_ones
    in_flight_counts_on_both_ends
    labels_are_required_and_forbidden
    large_cluster_moves_more_than_two_at_once
    late_word_of_a_new_name_undoes_nothing
    license_is_a_resource_like_any_other
    maintenance_empties_the_worker_ahead_of_time
    memory_of_moves_bounds_how_many_leave_at_once
    migration_off_observes_and_explains
    move_for_speed_repays_itself_or_is_refused
    move_taken_over_keeps_room_on_a_device
    move_that_ends_too_late_to_repay_is_refused
    nan_report_sets_one_worker_aside
    nearly_done_is_left_to_finish
    noisy_measurements_widen_the_dead_band
    not_before_keeps_a_task_for_now
    observe_explains_and_chooses_nothing_new
    observed_speed_outweighs_the_table
    offline_worker_leaves_orphans_that_are_placed
    old_checkpoint_makes_a_move_dear
    old_metrics_do_not_see_the_move_yet
    one_stray_sample_sets_nothing_in_motion
    one_target_takes_only_so_many_at_once
    operator_calls_it_off_before_and_after_the_release
    operator_calls_off_whatever_is_under_way
    orphan_that_nobody_can_take_waits
    overlap_is_called_off_where_its_target_closes
    overlap_on_its_way_home_is_not_stopped_there
    overlap_taken_over_that_does_not_start_goes_home
    overlap_that_loses_its_source_asks_whether_its_target_still_takes_it
    overlap_whose_source_will_not_start_it_again_runs_there
    overlapping_task_starts_there_before_it_stops_here
    overlapping_task_that_finishes_ends_its_move
    overlapping_task_whose_target_fails_stays_where_it_runs
    ping_pong_is_damped
    pinned_task_stays_in_the_heat
    placement_newer_than_the_measurements_counts
    prediction_off_waits_for_the_overload
    preference_for_evenness_moves_what_one_for_stillness_leaves
    question_about_a_task_without_a_known_place
    queued_task_moves_at_the_price_of_a_message
    queued_work_is_queued_again_in_favour_of_a_worker
    queued_work_says_nothing_of_how_many_may_move
    rank_counts_placements_newer_than_telemetry
    rank_finds_a_place_for_a_new_task
    reconfigured_in_every_phase_drops_nothing
    rank_refuses_what_a_round_would_refuse
    reconfigured_in_flight_drops_nothing
    record_on_a_lost_worker_frees_no_room_at_the_source
    release_that_an_earlier_life_has_answered_is_no_news
    reloaded_profiles_hold_in_the_next_round
    report_that_never_comes_times_out_and_the_task_stays
    report_told_twice_changes_nothing
    reports_that_ride_in_a_snapshot_are_read_in_order
    reservations_block_though_use_is_low
    restart_in_the_middle_of_an_overlap_makes_no_second_copy
    restart_needs_its_whole_time_again_before_its_worker_leaves
    restart_that_lost_everything_takes_over_what_it_is_shown
    resume_in_a_later_epoch_keeps_what_is_in_flight
    resumed_from_an_old_state_moves_no_task_twice
    resumed_from_nothing_takes_over_and_issues_new_ids
    rising_load_steps_faster_than_falling_load
    rising_worker_is_relieved_before_it_is_hot
    same_situation_three_presets
    saturated_network_moves_the_talker
    scope_by_label_moves_only_what_carries_it
    scope_by_share_only_grows
    scope_leaves_orphans_and_drains_out_of_it_alone
    scope_that_narrows_lets_go_on_what_is_under_way
    several_moves_at_once_keep_the_zones_even
    shadow_says_in_sentences_where_it_would_part
    shadow_that_moves_otherwise_is_told_of
    slow_hardware_needs_its_time_before_its_worker_leaves
    slow_link_is_refused_where_a_fast_one_is_not
    small_worker_would_become_the_idle_one
    source_dies_while_releasing_and_its_task_is_placed
    source_that_does_not_stop_keeps_its_task
    source_that_has_yet_to_stop_keeps_its_device
    source_that_has_yet_to_stop_keeps_its_room
    source_that_let_go_long_ago_has_lost_nothing
    spread_counts_on_members_out_of_sight
    spread_over_racks_ignores_workers_without_one
    spread_over_racks_is_held
    spread_over_racks_is_repaired_never_made_worse
    spread_over_workers_is_held
    spread_over_zones_is_repaired_never_made_worse
    stale_snapshot_runs_no_round_but_settles_its_reports
    state_of_a_newer_release_is_refused
    state_out_of_reach_has_no_known_price
    state_that_has_the_task_in_nobodys_hands_is_behind
    state_that_lies_on_the_target_is_free
    step_of_our_own_is_no_trend
    steps_to_the_bounds_or_back_to_what_was_configured
    target_dies_after_the_source_let_go_and_another_is_found
    target_that_closed_meanwhile_is_called_off
    target_that_closes_with_the_release_gets_nothing
    target_that_filled_up_meanwhile_is_called_off
    target_that_is_to_leave_meanwhile_is_called_off
    target_that_never_answers_gives_the_task_back
    task_given_back_does_not_return_to_the_worker_it_left
    task_that_saves_its_state_may_go_to_a_worker_that_leaves
    task_that_does_not_declare_it_never_runs_in_two_places
    task_without_a_device_runs_on_its_gpu_workers_cpu
    tiny_task_is_not_worth_it
    too_little_compute_is_no_target
    too_little_memory_sends_it_past_the_coldest
    transfer_time_stands_beside_the_scorecard
    transfers_share_a_link
    two_16_gib_devices_do_not_hold_20_gib
    two_moves_compete_for_one_target
    two_tasks_for_the_last_device_in_one_round
    uncertain_forecast_waits
    unhealthy_history_tips_the_scales
    unhealthy_worker_takes_nothing_and_may_be_relieved
    unknown_end_is_judged_by_the_horizon
    unknown_price_is_not_taken_for_nothing
    unknown_use_is_not_idle
    use_triggers_though_reservations_are_low
    vanished_worker_leaves_orphans_an_unlisted_one_does_not
    what_a_move_cost_is_remembered_for_its_kind
    what_a_move_costs_by_the_letter
    what_is_measured_of_one_alternative_says_nothing_of_another
    who_is_done_in_time_leaves_with_who_is_not
    who_must_be_gone_first_goes_first
    worker_is_told_of_only_so_many_placements_at_once
    worker_that_failed_a_kind_is_passed_over
    worker_that_leaves_takes_nothing_that_outlasts_it
    workers_that_stay_away_are_believed_gone_in_the_end
}
